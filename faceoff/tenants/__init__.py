"""Who calls, what they may do, and how much: credentials, limits, the target policy and webhooks.

A tenant is named by its credential alone, never by a request.
"""
