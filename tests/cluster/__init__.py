"""A cluster of many machines on one: what becomes of calls when parts of it fail.

Machines are network namespaces with addresses and host names of their own, joined by a bridge. All
of them live in namespaces that end with the run, so that nothing is left however it ends.
"""
