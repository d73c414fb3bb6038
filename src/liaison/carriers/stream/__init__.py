"""The carrier of stream sockets: Unix, TCP and TLS.

From the bottom: `frames` and `handshake` are the protocol, without any input or output; `tls` adds
encryption to it, `place` knows which sockets an address means and who may use it, `greeting` brings
a new connection to where messages may flow, and `channel` waits, sends and receives.
"""
