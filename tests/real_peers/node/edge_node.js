// An edge node with one device, as sparkplug-client speaks: node edge_node.js PORT GOOD, and what the device has made by
// then. Lines of JSON on standard input: {"do": "set", "good": 5}, {"do": "die"} and {"do": "born"} of the device.
"use strict";
const readline = require("readline");
const { newClient } = require("sparkplug-client");
const [port, good] = process.argv.slice(2);
const DEVICE = "Press 7";
const TYPES = { Good: "UInt32", Order: "String" };
const values = { Good: Number(good), Order: "A" };
const edge = newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username: "",
  password: "",
  groupId: "Plant A",
  edgeNode: "Edge 1",
  clientId: "edge",
  version: "spBv1.0",
});
const now = () => Date.now();
const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
// Names are said in births alone; afterwards a number stands for each.
const metric = (name, alias, named) => ({
  ...(named ? { name } : {}),
  alias,
  type: TYPES[name],
  value: values[name],
  timestamp: now(),
});
const born = () =>
  edge.publishDeviceBirth(DEVICE, {
    timestamp: now(),
    metrics: Object.keys(TYPES).map((name, place) => metric(name, place, true)),
  });
const births = () => {
  edge.publishNodeBirth({
    timestamp: now(),
    metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: false, timestamp: now() }],
  });
  born();
};
const commands = {
  set: ({ good }) => {
    values.Good = good;
    edge.publishDeviceData(DEVICE, { timestamp: now(), metrics: [metric("Good", 0, false)] });
  },
  die: () => edge.publishDeviceDeath(DEVICE, { timestamp: now() }),
  born,
};
edge.on("birth", births);
edge.on("ncmd", births);
edge.on("error", () => {});
edge.once("birth", () => {
  say({ ready: true });
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
    say({ ok: true });
  });
});
