// An MQTT broker: node aedes.js PORT [DIRECTORY]. Sessions, queues and retained messages are in DIRECTORY, else in memory.
'use strict'
const net = require('net')
const aedes = require('aedes')
const persistence = require('aedes-persistence-level')
const { Level } = require('level')

const [port, directory] = process.argv.slice(2)
const broker = aedes({ persistence: directory && persistence(new Level(directory)), queueLimit: 100000 })
const server = net.createServer(broker.handle)
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => {
  server.close()
  broker.close(() => process.exit(0))
})
