"""OPC UA: one session per server, whose subscriptions are published by loops of our own.

`source` holds a connection from beginning to end. What it decides is in pure modules (`server_clock`, `audit`, `wire`,
`decode`), what it asks of the server in `services`, over one way for requests: `channel.Link`.
"""
