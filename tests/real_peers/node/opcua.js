// node-opcua as a program: node opcua.js SETTINGS. Settings are JSON: port, directory (for its certificates), before (namespaces
// ahead of the line's), variables (name -> value), users (name -> password), anonymous, policies, modes, trustAll, capabilities
// (as the library names them: maxSessions, operationLimits, ...), counting (prefix -> how many counters, and after how many
// milliseconds each counts, once they are told to), alarms (name -> the limit from which on an alarm of the variable with this name is on; both are of the
// object Press), history (how many values of each variable are kept), machine (whether Press tells of jobs, as ISA-95 has
// them, and of cycles, as machines' own types do), serviceLevel, certificate (the files of a certificate of its own and its key), uri (of the application).
// Commands come as JSON lines on standard input: add (with the range of an analog value), write and delete with name, value, type, status and time; happen
// with message, an event of the object Press; job with order, state and number, and cycle with count, bad and cavities, which are such events, too; level with level,
// which is the ServiceLevel from then on; past with name, number and time, which adds a variable that has counted to the number since, once a second,
// in which the server was there; sessions, which says how many there are; forget, which ends all sessions with their subscriptions; silence, which ends their subscriptions alone; count and rest, which say that counters
// are to count, and to stop, with how often they have counted in all; each is answered by a line {"ok": true, ...} or {"error": text}.
'use strict'
const path = require('path')
const readline = require('readline')
globalThis.crypto ??= require('crypto').webcrypto // Node.js 18, which Debian 12 has, does not say this by itself
const opcua = require('node-opcua')

const LINE = 'urn:acme:line'
const settings = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

function kind (value, type) {
  if (type) return opcua.DataType[type]
  if (Array.isArray(value)) return kind(value[0])
  if (typeof value === 'boolean') return opcua.DataType.Boolean
  if (typeof value === 'string') return opcua.DataType.String
  return Number.isInteger(value) ? opcua.DataType.Int32 : opcua.DataType.Double
}

// A value as the library wants it.
function variant (value, dataType) {
  if (dataType === opcua.DataType.QualifiedName) return { dataType, value: { namespaceIndex: 1, name: value } }
  return Array.isArray(value) ? { dataType, arrayType: opcua.VariantArrayType.Array, value } : { dataType, value }
}

// What a machine tells beside its variables: states of job orders by the types of ISA-95, and each of its cycles by a type of its own.
function machine (space, namespace, press) {
  const jobs = space.getNamespaceIndex('http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/')
  const jobEvent = namespace.addEventType({
    browseName: 'JobEventType', subtypeOf: space.findEventType('ISA95JobOrderStatusEventType', jobs), isAbstract: false
  })
  const cycleEvent = namespace.addEventType({ browseName: 'CycleEventType', subtypeOf: 'BaseEventType', isAbstract: false })
  for (const [browseName, dataType, valueRank] of [['Count', 'UInt64', -1], ['Bad', 'UInt16', -1], ['Cavities', 'Int32', 1]]) {
    namespace.addVariable({ propertyOf: cycleEvent, browseName, dataType, valueRank, modellingRule: 'Mandatory' })
  }
  const made = (type, fields) => space.constructExtensionObject(space.findDataType(type, jobs), fields)
  const about = (message) => ({
    message: { dataType: 'LocalizedText', value: { text: message } }, severity: { dataType: 'UInt16', value: 100 }
  })
  return {
    job ({ order, state, number }) {
      const jobState = made('ISA95StateDataType', { stateText: { text: state }, stateNumber: number })
      press.raiseEvent(jobEvent, {
        ...about(`${order} is ${state}`),
        jobOrder: { dataType: 'ExtensionObject', value: made('ISA95JobOrderDataType', { jobOrderID: order }) },
        jobState: { dataType: 'ExtensionObject', arrayType: 'Array', value: [jobState] }
      })
    },
    cycle ({ count, bad, cavities }) {
      press.raiseEvent(cycleEvent, {
        ...about('cycle'),
        count: { dataType: 'UInt64', arrayType: 'Scalar', value: [0, count] },
        bad: { dataType: 'UInt16', value: bad },
        cavities: { dataType: 'Int32', arrayType: 'Array', value: Int32Array.from(cavities) }
      })
    }
  }
}

async function main () {
  const certificates = new opcua.OPCUACertificateManager({
    rootFolder: path.join(settings.directory, 'pki'),
    automaticallyAcceptUnknownCertificate: settings.trustAll !== false
  })
  await certificates.initialize()
  const users = settings.users || {}
  const server = new opcua.OPCUAServer({
    host: '127.0.0.1',
    hostname: '127.0.0.1',
    port: settings.port,
    serverCertificateManager: certificates,
    ...(settings.certificate ? { certificateFile: settings.certificate[0], privateKeyFile: settings.certificate[1] } : {}),
    ...(settings.uri ? { serverInfo: { applicationUri: settings.uri } } : {}),
    userCertificateManager: certificates,
    allowAnonymous: settings.anonymous !== false,
    securityPolicies: (settings.policies || ['None']).map((name) => opcua.SecurityPolicy[name]),
    securityModes: (settings.modes || ['None']).map((name) => opcua.MessageSecurityMode[name]),
    userManager: { isValidUser: (name, password) => name in users && users[name] === password },
    serverCapabilities: settings.capabilities,
    nodeset_filename: [opcua.nodesets.standard, ...(settings.machine ? [opcua.nodesets.isa95JobControl] : [])],
    discoveryServerEndpointUrl: '',
    registerServerMethod: opcua.RegisterServerMethod.HIDDEN
  })
  await server.initialize()
  const space = server.engine.addressSpace
  for (const uri of settings.before || []) space.registerNamespace(uri)
  const namespace = space.registerNamespace(LINE)
  const nodes = {}
  const counters = Object.entries(settings.counting || {}).map(([prefix, [number, every]]) => ({ prefix, number, every, made: 0 }))
  const timers = []
  const press = namespace.addObject({
    organizedBy: space.rootFolder.objects, browseName: 'Press', nodeId: 's=Press', eventNotifier: 1, eventSourceOf: space.rootFolder.objects.server
  })

  let serviceLevel = settings.serviceLevel ?? 255
  space.findNode('i=2267').bindVariable({ get: () => new opcua.Variant({ dataType: 'Byte', value: serviceLevel }) }, true)
  const ofPress = settings.machine ? machine(space, namespace, press) : {}

  const commands = {
    ...ofPress,
    level ({ level }) {
      serviceLevel = level
    },
    add ({ name, value, type, range }) {
      const dataType = kind(value, type)
      const about = {
        organizedBy: space.rootFolder.objects, browseName: name, nodeId: 's=' + name, dataType, valueRank: Array.isArray(value) ? 1 : -1
      }
      nodes[name] = range
        ? namespace.addAnalogDataItem({ ...about, engineeringUnitsRange: { low: range[0], high: range[1] }, value: variant(value, dataType) })
        : namespace.addVariable({ ...about, value: variant(value, dataType) })
      nodes[name].dataKind = dataType
      if (settings.history) space.installHistoricalDataNode(nodes[name], { maxOnlineValues: settings.history })
    },
    past ({ name, number, time }) {
      const began = new Date(time).getTime()
      nodes[name] = namespace.addVariable({
        organizedBy: space.rootFolder.objects, browseName: name, nodeId: 's=' + name, dataType: 'Int32', value: variant(0, opcua.DataType.Int32)
      })
      nodes[name].dataKind = opcua.DataType.Int32
      commands.write({ name, value: 0, time: began })
      space.installHistoricalDataNode(nodes[name], { maxOnlineValues: settings.history })
      for (let i = 1; i <= number; i++) commands.write({ name, value: i, time: began + i * 1000 })
      server.engine._serverStatus.startTime = new Date(began - 60000)
    },
    write ({ name, value, type, status, time }) {
      const dataType = type ? opcua.DataType[type] : nodes[name].dataKind
      const code = status ? opcua.StatusCodes[status] : opcua.StatusCodes.Good
      nodes[name].setValueFromSource(variant(value, dataType), code, time ? new Date(time) : new Date())
    },
    happen ({ message }) {
      press.raiseEvent('BaseEventType', {
        message: { dataType: opcua.DataType.LocalizedText, value: { text: message } },
        severity: { dataType: opcua.DataType.UInt16, value: 300 }
      })
    },
    sessions () {
      return { sessions: server.engine.currentSessionCount }
    },
    forget () {
      for (const token of Object.keys(server.engine._sessions)) server.engine.closeSession(opcua.coerceNodeId(token), true, 'Forcing')
    },
    silence () {
      for (const session of Object.values(server.engine._sessions)) {
        for (const subscription of session.publishEngine.subscriptions) subscription.terminate()
      }
    },
    count () {
      for (const each of counters) {
        const begun = Date.now()
        const before = each.made // spread evenly, as machines are
        timers.push(setInterval(() => {
          const due = before + Math.floor((Date.now() - begun) * each.number / each.every)
          for (; each.made < due; each.made++) {
            commands.write({ name: each.prefix + each.made % each.number, value: Math.floor(each.made / each.number) + 1 })
          }
        }, 20))
      }
    },
    rest () {
      timers.splice(0).forEach(clearInterval)
      return { made: counters.reduce((sum, each) => sum + each.made, 0) }
    },
    delete ({ name }) {
      space.deleteNode(nodes[name])
      delete nodes[name]
    }
  }
  for (const [name, value] of Object.entries(settings.variables || {})) commands.add({ name, value })
  if (settings.alarms) space.installAlarmsAndConditionsService()
  for (const [name, highLimit] of Object.entries(settings.alarms || {})) {
    commands.add({ name, value: 0.5 })
    const alarm = namespace.instantiateNonExclusiveLimitAlarm('NonExclusiveLimitAlarmType', {
      browseName: name + 'Alarm',
      conditionName: name + ' is high',
      conditionSource: press,
      componentOf: press,
      inputNode: nodes[name],
      highLimit,
      optionals: ['ConfirmedState', 'Confirm']
    })
    alarm.ackedState.setValue(true)
  }
  for (const { prefix, number } of counters) {
    for (let i = 0; i < number; i++) commands.add({ name: prefix + i, value: 0 })
  }

  const stop = async () => {
    await server.shutdown(100)
    process.exit(0)
  }
  await server.start()
  process.on('SIGTERM', stop)
  const lines = readline.createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const command = JSON.parse(line)
    try {
      say({ ok: true, ...commands[command.do](command) })
    } catch (error) {
      say({ error: String(error) })
    }
  })
  lines.on('close', stop)
  say({ ready: true })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
