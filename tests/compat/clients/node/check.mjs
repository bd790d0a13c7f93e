// What the programs of this folder share: their arguments, and an end with a message at the first thing that is wrong.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const PATIENCE_MS = 60_000

export async function main (scenarios) {
  const [bootstrap, scenario, topic, count, variant] = process.argv.slice(2)
  await scenarios[scenario]({ bootstrap, topic, count: Number(count), variant, login: login(process.env) })
  console.log('ok')
  process.exit(0)
}

// Who asks, over TLS; nobody when the test names no user.
function login ({ MS_USER: username, MS_PASSWORD: password, MS_MECHANISM: mechanism, MS_CA: authority }) {
  return username && { sasl: { mechanism, username, password }, ca: readFileSync(authority) }
}

export function withPassword (run, password) {
  return { ...run, login: { ...run.login, sasl: { ...run.login.sasl, password } } }
}

export async function until (what, condition) {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await condition())) {
    assert(Date.now() < deadline, `waited in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export function numbers (count) {
  return [...Array(count).keys()]
}

// A client makes one batch of what it is given at once, which must stay below max.message.bytes.
export async function inPieces (messages, send, most = 500) {
  for (let from = 0; from < messages.length; from += most) await send(messages.slice(from, from + most))
}

export function disjoint (one, other) {
  assert(![...one].some(element => other.has(element)), 'both own a partition')
}

// A group of two members: they share, read everything, and the one that stays takes over. `join` makes a member with the sets
// `owned` and `seen` and with `leave`.
export async function share (join, { count, produce, describe, committed, forget }) {
  const first = await join()
  await until('one member owns all', () => first.owned.size === 4)
  const second = await join()
  await until('two members share', () => first.owned.size === 2 && second.owned.size === 2)
  disjoint(first.owned, second.owned)
  await produce()
  await until('both have read everything', () => new Set([...first.seen, ...second.seen]).size === count)
  await describe()
  await second.leave()
  await until('the other one takes over', () => first.owned.size === 4)
  await until('all is committed', async () => await committed() === count)
  await first.leave()
  await forget()
}

// Produces and consumes until a line comes in, and then until every acknowledged record was seen.
export async function survive (member, send) {
  let enough = false
  createInterface({ input: process.stdin }).once('line', () => { enough = true })
  let acknowledged = 0
  for (; !enough; acknowledged++) {
    await send(acknowledged)
    console.log('acknowledged', acknowledged)
  }
  await until('every acknowledged record was seen', () => member.seen.size === acknowledged)
  await member.leave()
}
