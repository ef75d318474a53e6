"""Where data comes from: OPC UA servers and MQTT brokers."""
