// @platformatic/kafka against a running server. Variant "consumer" takes the group protocol of KIP-848, "classic" the older one.
import assert from 'node:assert/strict'
import {
  Admin, ConfigResourceTypes, Consumer, FetchIsolationLevels, IncrementalAlterConfigOperationTypes, ListOffsetTimestamps, Producer,
  stringDeserializers, stringSerializers
} from '@platformatic/kafka'
import { inPieces, main, numbers, share, survive, withPassword } from './check.mjs'

function settings (run) {
  const login = run.login && { sasl: run.login.sasl, tls: { ca: run.login.ca } }
  return { clientId: 'platformatic', bootstrapBrokers: [run.bootstrap], retries: run.retries ?? 1000, retryDelay: 50, connectTimeout: 1000, ...login }
}

async function using (client, work) {
  try {
    return await work(client)
  } finally {
    await (client instanceof Admin ? client.close() : client.close(true))
  }
}

function producer (run, work, options = {}) {
  return using(new Producer({ ...settings(run), serializers: stringSerializers, idempotent: true, ...options }), work)
}

function admin (run, work) {
  return using(new Admin(settings(run)), work)
}

function consumer (run, options = {}) {
  const group = run.variant === 'consumer' ? { groupProtocol: 'consumer' } : { heartbeatInterval: 300, sessionTimeout: 30_000, rebalanceTimeout: 30_000 }
  return new Consumer({ ...settings(run), groupId: run.topic, deserializers: stringDeserializers, autocommit: false, maxWaitTime: 200, ...group, ...options })
}

// The first `count` messages of partition 0.
function read (run, topic, count, options = {}) {
  return using(consumer({ ...run, topic: `${topic}-reader-${Math.random()}` }, options), async consumer => {
    const got = []
    const stream = await consumer.consume({ topics: [topic], mode: 'earliest', ...options })
    for await (const message of stream) {
      got.push(message)
      if (got.length === count) break
    }
    return got
  })
}

async function administration (run) {
  await admin(run, async admin => {
    const creation = { topics: [run.topic], partitions: 3, replicas: 1, configs: [{ name: 'retention.ms', value: '1234567' }] }
    const [created] = await admin.createTopics(creation)
    assert.deepEqual([created.name, created.partitions, created.replicas], [run.topic, 3, 1])
    await assert.rejects(admin.createTopics(creation), error => /already exists/.test(String(error)))
    const partitions = async () => (await admin.metadata({ topics: [run.topic], forceUpdate: true })).topics.get(run.topic).partitionsCount
    assert.equal(await partitions(), 3)
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: run.topic }
    const retention = async () => (await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ['retention.ms'] }] }))[0].configs[0].value
    assert.equal(await retention(), '1234567')
    const change = { name: 'retention.ms', configOperation: IncrementalAlterConfigOperationTypes.SET, value: '7654321' }
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [change] }] })
    assert.equal(await retention(), '7654321')
    await admin.createPartitions({ topics: [{ name: run.topic, count: 5 }] })
    assert.equal(await partitions(), 5)
    await admin.deleteTopics({ topics: [run.topic] })
    assert(!(await admin.listTopics()).includes(run.topic), 'a deleted topic is listed')
  })
}

async function compressions (run) {
  const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  const sent = []
  for (const compression of codecs) {
    const messages = numbers(run.count).map(i => ({
      topic: run.topic, partition: 0, key: `${i}`, value: `${compression} ${i} `.repeat(i % 20), headers: { codec: compression }
    }))
    await producer(run, producer => inPieces(messages, some => producer.send({ messages: some, compression })))
    sent.push(...messages)
  }
  const got = await read(run, run.topic, sent.length)
  got.forEach((message, i) => {
    assert.equal(message.offset, BigInt(i))
    assert.equal(message.key, sent[i].key)
    assert.equal(message.value, sent[i].value)
    assert.equal(message.headers.get('codec'), codecs[Math.floor(i / run.count)])
  })
}

async function times (run) {
  const first = 1_700_000_000_000
  await producer(run, async producer => {
    for (const i of numbers(10)) {
      await producer.send({ messages: [{ topic: run.topic, partition: 0, value: `${i}`, timestamp: BigInt(first + 1000 * i) }] })
    }
  })
  await admin(run, async admin => {
    const offset = async timestamp => {
      const listed = await admin.listOffsets({ topics: [{ name: run.topic, partitions: [{ partitionIndex: 0, timestamp }] }] })
      return listed[0].partitions[0].offset
    }
    assert.equal(await offset(BigInt(first + 4500)), 5n)
    assert.equal(await offset(BigInt(first + 100_000)), -1n)
    assert.equal(await offset(ListOffsetTimestamps.EARLIEST), 0n)
    assert.equal(await offset(ListOffsetTimestamps.LATEST), 10n)
    await admin.deleteRecords({ topics: [{ name: run.topic, partitions: [{ partition: 0, offset: 4n }] }] })
    assert.equal(await offset(ListOffsetTimestamps.EARLIEST), 4n)
  })
}

// A member that knows what it was given, and commits what it reads.
async function join (run) {
  const member = { seen: new Set() }
  const client = consumer(run)
  const stream = await client.consume({ topics: [run.topic], mode: 'committed', fallbackMode: 'earliest', autocommit: 200 })
  stream.on('data', message => { member.seen.add(message.value) })
  stream.on('error', error => { throw error })
  stream.on('autocommit', () => {}) // refused in a rebalance: the next member reads them again
  Object.defineProperty(member, 'owned', { get: () => new Set(client.assignments?.find(one => one.topic === run.topic)?.partitions) })
  member.leave = async () => {
    await stream.close()
    await client.close(true)
  }
  return member
}

async function group (run) {
  const produce = () => producer(run, producer =>
    producer.send({ messages: numbers(run.count).map(i => ({ topic: run.topic, partition: i % 4, value: `${i}` })) }))
  await admin(run, admin => share(() => join(run), {
    count: run.count,
    produce,
    describe: async () => {
      if (run.variant === 'consumer') return
      const group = (await admin.describeGroups({ groups: [run.topic] })).get(run.topic)
      assert.equal(group.members.size, 2)
    },
    committed: () => committed(admin, run),
    forget: () => admin.deleteGroups({ groups: [run.topic] })
  }))
}

async function committed (admin, run) {
  const [group] = await admin.listConsumerGroupOffsets({ groups: [run.topic] })
  return group.topics.flatMap(topic => topic.partitions).map(one => Math.max(0, Number(one.committedOffset))).reduce((sum, one) => sum + one, 0)
}

async function transactions (run) {
  for (const i of numbers(4)) { // a producer each: of several aborted transactions of one, its consumer leaves out the last alone
    await producer(run, async producer => {
      const transaction = await producer.beginTransaction()
      await transaction.send({ messages: [{ topic: run.topic, partition: 0, value: `${i}` }] })
      await (i % 2 ? transaction.abort() : transaction.commit())
    }, { transactionalId: `${run.topic}-${i}` })
  }
  await expect(run, run.topic, FetchIsolationLevels.READ_COMMITTED, ['0', '2'])
  await expect(run, run.topic, FetchIsolationLevels.READ_UNCOMMITTED, ['0', '1', '2', '3'])
  await copy(run)
  await expect(run, `${run.topic}-out`, FetchIsolationLevels.READ_COMMITTED, ['copy of 0', 'copy of 2'])
  assert.equal(await admin(run, admin => committed(admin, run)), 5) // 0 mark 1 mark 2: the one after 2 is at 5
}

async function expect (run, topic, isolationLevel, values) {
  const got = await read(run, topic, values.length, { isolationLevel })
  assert.deepEqual(got.map(message => message.value), values)
}

// Copies what was committed from the topic to TOPIC-out, with the offsets in the same transaction.
async function copy (run) {
  await using(consumer(run, { isolationLevel: FetchIsolationLevels.READ_COMMITTED }), consumer =>
    producer(run, async producer => {
      const stream = await consumer.consume({ topics: [run.topic], mode: 'earliest' })
      let copied = 0
      for await (const message of stream) {
        const transaction = await producer.beginTransaction()
        await transaction.addConsumer(consumer)
        await transaction.send({ messages: [{ topic: `${run.topic}-out`, partition: 0, value: `copy of ${message.value}` }] })
        await transaction.addOffset(message)
        await transaction.commit()
        if (++copied === 2) break
      }
    }, { transactionalId: `${run.topic}-copy` }))
}

async function secure (run) {
  await group(run)
  const wrong = { ...withPassword(run, 'wrong'), retries: 0 }
  await assert.rejects(admin(wrong, admin => admin.listTopics()), error => says(error, /SASL/))
  await producer({ ...run, retries: 0 }, producer =>
    assert.rejects(producer.send({ messages: [{ topic: 'forbidden', value: 'x' }] }), error => says(error, /TOPIC_AUTHORIZATION_FAILED/)))
}

// Its errors hold those that they are about.
function says (error, text) {
  const all = one => [`${one.message} ${one.apiId ?? ''}`, ...(one.errors ?? []).flatMap(all), ...(one.cause ? all(one.cause) : [])]
  assert.match(all(error).join('\n'), text)
  return true
}

async function outlive (run) {
  const member = await join(run)
  await producer(run, producer => survive(member, i =>
    producer.send({ messages: [{ topic: run.topic, partition: i % 2, value: `${i}` }] })))
}

await main({ administration, compressions, times, group, transactions, secure, survive: outlive })
