"""First stages of a network that are fixed before any sample is drawn: functions without parameters, which therefore cost
no bits.
"""
