"""The networks and services that judge a mask they took no part in, behind one protocol (victim.py)."""
