// KafkaJS against a running server. It has gzip alone: other codecs are plug-ins of others.
import assert from 'node:assert/strict'
import kafkajs from 'kafkajs'
import { inPieces, main, numbers, share, survive, until, withPassword } from './check.mjs'

const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs
const RETRY = { initialRetryTime: 50, maxRetryTime: 1000, retries: 1000 }

function kafka (run) {
  const login = run.login && { sasl: { ...run.login.sasl, mechanism: run.login.sasl.mechanism.toLowerCase() }, ssl: { ca: [run.login.ca] } }
  return new Kafka({ brokers: [run.bootstrap], logLevel: logLevel.NOTHING, retry: RETRY, ...login })
}

async function using (client, work) {
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.disconnect()
  }
}

function producer (run, work, options = {}) {
  return using(kafka(run).producer({ idempotent: true, maxInFlightRequests: 1, retry: RETRY, ...options }), work)
}

function admin (run, work) {
  return using(kafka(run).admin(), work)
}

// The first `count` messages of a partition.
async function read (run, topic, count, options = {}) {
  const got = []
  await using(kafka(run).consumer({ groupId: `${topic}-reader-${Math.random()}`, maxWaitTimeInMs: 200, ...options }), async consumer => {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({ eachMessage: async ({ message }) => { got.push(message) } })
    await until(`${count} messages`, () => got.length >= count)
  })
  return got
}

async function administration (run) {
  await admin(run, async admin => {
    const topics = [{ topic: run.topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '1234567' }] }]
    assert(await admin.createTopics({ topics }))
    assert(!(await admin.createTopics({ topics })), 'a second creation')
    const partitions = async () => (await admin.fetchTopicMetadata({ topics: [run.topic] })).topics[0].partitions.length
    assert.equal(await partitions(), 3)
    const resource = { type: ConfigResourceTypes.TOPIC, name: run.topic }
    const retention = async () => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ ...resource, configNames: ['retention.ms'] }] })
      return resources[0].configEntries[0].configValue
    }
    assert.equal(await retention(), '1234567')
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '7654321' }] }] })
    assert.equal(await retention(), '7654321')
    await admin.createPartitions({ topicPartitions: [{ topic: run.topic, count: 5 }] })
    assert.equal(await partitions(), 5)
    await admin.deleteTopics({ topics: [run.topic] })
    assert(!(await admin.listTopics()).includes(run.topic), 'a deleted topic is listed')
    const cluster = await admin.describeCluster()
    assert.deepEqual(cluster.brokers.map(broker => `${broker.host}:${broker.port}`), [run.bootstrap])
  })
}

async function compressions (run) {
  const sent = []
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const messages = numbers(run.count).map(i => ({ partition: 0, key: `${i}`, value: `${compression} ${i} `.repeat(i % 20), headers: { codec: `${compression}` } }))
    await producer(run, producer => inPieces(messages, some => producer.send({ topic: run.topic, compression, messages: some })))
    sent.push(...messages)
  }
  const got = await read(run, run.topic, sent.length)
  got.forEach((message, i) => {
    assert.equal(message.key.toString(), sent[i].key)
    assert.equal(message.value.toString(), sent[i].value)
    assert.equal(message.headers.codec.toString(), sent[i].headers.codec)
  })
}

async function times (run) {
  const first = 1_700_000_000_000
  await producer(run, async producer => {
    for (const i of numbers(10)) {
      await producer.send({ topic: run.topic, messages: [{ partition: 0, value: `${i}`, timestamp: `${first + 1000 * i}` }] })
    }
  })
  await admin(run, async admin => {
    const at = async time => (await admin.fetchTopicOffsetsByTimestamp(run.topic, time)).find(found => found.partition === 0).offset
    assert.equal(await at(first + 4500), '5')
    assert.equal(await at(first + 100_000), '10') // it asks for the end then
    const ends = async () => (await admin.fetchTopicOffsets(run.topic)).find(found => found.partition === 0)
    assert.deepEqual([(await ends()).low, (await ends()).high], ['0', '10'])
    await admin.deleteTopicRecords({ topic: run.topic, partitions: [{ partition: 0, offset: '4' }] })
    assert.equal((await ends()).low, '4')
  })
}

// A member that knows what it was given, and commits what it reads.
async function join (run) {
  const consumer = kafka(run).consumer({ groupId: run.topic, heartbeatInterval: 300, retry: RETRY, maxWaitTimeInMs: 200 })
  const member = { owned: new Set(), seen: new Set(), leave: () => consumer.disconnect() }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { member.owned = new Set(payload.memberAssignment[run.topic]) })
  await consumer.connect()
  await consumer.subscribe({ topic: run.topic, fromBeginning: true })
  await consumer.run({ autoCommitInterval: 200, eachMessage: async ({ message }) => { member.seen.add(message.value.toString()) } })
  return member
}

async function group (run) {
  const produce = () => producer(run, producer =>
    producer.send({ topic: run.topic, messages: numbers(run.count).map(i => ({ partition: i % 4, value: `${i}` })) }))
  await admin(run, admin => share(() => join(run), {
    count: run.count,
    produce,
    describe: async () => {
      const { groups } = await admin.describeGroups([run.topic])
      assert.deepEqual([groups[0].state, groups[0].members.length], ['Stable', 2])
    },
    committed: () => committed(admin, run),
    forget: async () => { await admin.deleteGroups([run.topic]) }
  }))
}

async function committed (admin, run) {
  const [{ partitions }] = await admin.fetchOffsets({ groupId: run.topic, topics: [run.topic] })
  return partitions.map(({ offset }) => Math.max(0, Number(offset))).reduce((sum, offset) => sum + offset, 0)
}

async function transactions (run) {
  await producer(run, async producer => {
    for (const i of numbers(4)) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: run.topic, messages: [{ partition: 0, value: `${i}` }] })
      await (i % 2 ? transaction.abort() : transaction.commit())
    }
  }, { transactionalId: run.topic })
  await expect(run, run.topic, false, ['0', '2'])
  await expect(run, run.topic, true, ['0', '1', '2', '3'])
  await copy(run)
  await expect(run, `${run.topic}-out`, false, ['copy of 0', 'copy of 2'])
  assert.equal(await admin(run, admin => committed(admin, run)), 5) // 0 mark 1 mark 2: the one after 2 is at 5
}

async function expect (run, topic, readUncommitted, values) {
  const got = await read(run, topic, values.length, { readUncommitted })
  assert.deepEqual(got.map(message => message.value.toString()), values)
}

// Copies what was committed from the topic to TOPIC-out, with the offsets in the same transaction.
async function copy (run) {
  const messages = await read(run, run.topic, 2)
  await producer(run, async producer => {
    for (const message of messages) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: `${run.topic}-out`, messages: [{ partition: 0, value: `copy of ${message.value}` }] })
      const partitions = [{ partition: 0, offset: `${Number(message.offset) + 1}` }]
      await transaction.sendOffsets({ consumerGroupId: run.topic, topics: [{ topic: run.topic, partitions }] })
      await transaction.commit()
    }
  }, { transactionalId: `${run.topic}-copy` })
}

async function secure (run) {
  await group(run)
  await assert.rejects(admin(withPassword(run, 'wrong'), () => {}), { name: 'KafkaJSSASLAuthenticationError' })
  await producer(run, producer =>
    assert.rejects(producer.send({ topic: 'forbidden', messages: [{ value: 'x' }] }), { message: /Topic authorization failed/ }))
}

async function outlive (run) {
  const member = await join(run)
  await producer(run, producer => survive(member, i =>
    producer.send({ topic: run.topic, messages: [{ partition: i % 2, value: `${i}` }] })))
}

await main({ administration, compressions, times, group, transactions, secure, survive: outlive })
