"""First stages of a network that are fixed before any sample: functions without parameters, so that they cost no bits."""
