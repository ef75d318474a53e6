"""What a plant would write itself: MQTT messages into SQLite, each acknowledged once it is on disk. It maps nothing,
keeps no receipts and sends nothing on; `bench_durable` measures the gateway beside it.

Arguments: the broker's port, the file of the database. Once it is subscribed, and after each
commit, it prints how many messages it has."""

import queue
import sqlite3
import sys

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

arrived: queue.SimpleQueue[MQTTMessage] = queue.SimpleQueue()
stored = 0
database = sqlite3.connect(sys.argv[2], isolation_level=None)
database.execute("PRAGMA journal_mode = WAL")
database.execute("PRAGMA synchronous = FULL")
database.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB)")
client = Client(CallbackAPIVersion.VERSION2, "yardstick", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
client.on_connect = lambda *_: client.subscribe("#", qos=1) and None
client.on_subscribe = lambda *_: print(stored, flush=True)
client.on_message = lambda *call: arrived.put(call[2])
properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
properties.SessionExpiryInterval, properties.ReceiveMaximum = 3600, 1000
client.connect("127.0.0.1", int(sys.argv[1]), clean_start=False, properties=properties)
client.loop_start()
while True:
    batch = [arrived.get()]
    while not arrived.empty() and len(batch) < 1000:
        batch.append(arrived.get())
    database.execute("BEGIN IMMEDIATE")
    rows = [(message.topic, message.payload) for message in batch]
    database.executemany("INSERT INTO events (topic, payload) VALUES (?, ?)", rows)
    database.execute("COMMIT")
    for message in batch:
        client.ack(message.mid, message.qos)
    stored += len(batch)
    print(stored, flush=True)
