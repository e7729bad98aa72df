"""What the data say: data sets, margins and gaps."""
