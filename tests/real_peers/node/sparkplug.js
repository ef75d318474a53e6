// A birth with plain values, a data set and a template, as sparkplug-payload writes it: base 64 on standard output.
"use strict";
const spBv1 = require("sparkplug-payload").get("spBv1.0");
const timestamp = 1767592800250;
const plain = [
  ["Good", "UInt32", 300],
  ["Speed", "Float", 0.1],
  ["Exact", "Double", 0.1],
  ["Off", "Int8", -1],
  ["Order", "String", "Größe 4711"],
  ["On", "Boolean", true],
  ["Large", "Int64", 2 ** 40],
];
const metrics = plain.map(([name, type, value], alias) => ({ name, type, value, alias, timestamp }));
metrics.push({
  name: "Codes",
  type: "DataSet",
  timestamp,
  value: { numOfColumns: 2, columns: ["code", "qty"], types: ["String", "Int8"], rows: [["Gel", 3], ["Gauge", -1]] },
});
metrics.push({
  name: "Shot",
  type: "Template",
  timestamp,
  value: {
    isDefinition: false,
    templateRef: "Shot type",
    version: "1",
    metrics: [
      { name: "Order", type: "String", value: "4711", timestamp },
      { name: "Weight", type: "Double", value: 12.5, timestamp },
    ],
    parameters: [],
  },
});
process.stdout.write(Buffer.from(spBv1.encodePayload({ timestamp, seq: 3, metrics })).toString("base64"));
