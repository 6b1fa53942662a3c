"""The local platform: everything that the cloud would be, on loopback, in one process tree.

An emulator for development. Nothing outside this package imports it; the components, the automation, the
service, the monitor and the runtimes run in it unchanged.
"""
