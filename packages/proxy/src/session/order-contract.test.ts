import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { long, runs } from '../../test/long-run.ts'
import type { Codec } from '../codec.ts'
import type { Message } from '../message.ts'
import type { ControlFrame } from '../rule/rule.ts'
import { other } from '../side.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { Side } from '../side.ts'
import { lineCodec, textCodec, VirtualWire } from './testing/virtual-wire.ts'

/** What the rules of this test do with a message is its first letter. */
const fates = ['pass', 'drop', 'replace', 'hold', 'set aside', 'ask', 'late', 'throw', 'copy', 'mirror'] as const
type Fate = (typeof fates)[number]
/** And what they do with a ping. */
const pingFates = ['pass', 'drop', 'hold', 'late'] as const
type PingFate = (typeof pingFates)[number]

const side = fc.constantFrom<Side>('client', 'server')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      from: side,
      fates: fc.array(fc.constantFrom(...fates), { minLength: 1, maxLength: 4 }),
      fragments: fc.integer({ min: 1, max: 3 }),
      pings: fc.boolean(),
      /** So much of it arrives now. */
      arrives: fc.oneof(fc.constant(1000), fc.nat(40)),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('arrive' as const), from: side, bytes: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('ping' as const), from: side, fate: fc.constantFrom(...pingFates) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('release ping' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fence' as const), to: side }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('answer' as const), from: side }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      which: fc.nat(),
      verdict: fc.constantFrom('pass', 'drop', 'replace', 'hold', 'throw', 'nothing'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('inject' as const), to: side, place: fc.constantFrom('tail' as const, 'now' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rules' as const), on: fc.boolean() }) },
)
const ending = fc.oneof(
  fc.record({ kind: fc.constant('peer closes' as const), from: side }),
  fc.record({ kind: fc.constant('close' as const), to: fc.constantFrom<Side | 'both'>('client', 'server', 'both') }),
  fc.record({ kind: fc.constant('end' as const), from: side, how: fc.constantFrom('fin' as const, 'rst' as const), abrupt: fc.boolean() }),
  fc.record({ kind: fc.constant('terminate' as const), how: fc.constantFrom('fin' as const, 'rst' as const) }),
)
type Step = (typeof step extends fc.Arbitrary<infer S> ? S : never) | (typeof ending extends fc.Arbitrary<infer E> ? E : never)

const sides: readonly Side[] = ['client', 'server']

/** One run: what was done to a session, and what has to be true of it. */
class Run {
  readonly wire: VirtualWire
  readonly #lines: boolean
  /** Names of the messages that each side sent, in order: `P7` passes, `D8` is dropped. */
  readonly #sent: Record<Side, string[]> = { client: [], server: [] }
  /** Bytes of theirs that have not arrived yet. */
  readonly #onTheWay: Record<Side, Buffer> = { client: Buffer.alloc(0), server: Buffer.alloc(0) }
  /** Our own messages, and what has to be in front of each. */
  readonly #injected: Record<Side, Map<string, readonly string[]>> = { client: new Map(), server: new Map() }
  readonly #released = new Set<Message>()
  /** Sides that send nothing any more; those that stopped in the middle; those whose leg was ended before its time. */
  readonly #silent = new Set<Side>()
  readonly #abrupt = new Set<Side>()
  /** Who has sent a close frame: what is held when both have is given up. */
  readonly #closing = new Set<Side>()
  readonly #cutOff = new Set<Side>()
  /** Names of the pings that each side sent, in order. */
  readonly #pings: Record<Side, string[]> = { client: [], server: [] }
  readonly #answered: Record<Side, Set<string>> = { client: new Set(), server: new Set() }
  /** What had arrived before each fence, and has to be settled when it is met. */
  readonly #fences = new Map<number, readonly Message[]>()
  /** How many fences have been heard of. */
  #fenced = 0
  /** Messages that were delivered, and rightly so. */
  readonly #checked = new Set<Message>()
  readonly #actors: RuleRun[] = []
  #ending = false
  #count = 0
  #rules: (() => void) | undefined

  constructor(codec: Codec<unknown>) {
    this.#lines = codec === lineCodec
    this.wire = new VirtualWire({ codec, closeTimeout: 500 })
    this.#setRules(true)
  }

  do(step: Step): void {
    this.#do(step)
    this.#checkWaiting()
  }

  /** Lets everything settle, ends both sides, and checks what must be true of every run. */
  finish(): void {
    const { wire } = this
    for (const from of sides) this.#arrive(from, 1e6)
    for (const message of this.#questions()) this.#decide(message, 'pass')
    this.#releaseAll()
    wire.until(wire.now + 1000)
    for (const from of sides) this.#answer(from)
    if (!this.#ending) expect(wire.fenced().map(Number).toSorted(ascending)).toEqual([...this.#fences.keys()])
    for (const from of sides) wire.put({ kind: 'end', from, how: 'fin' })
    this.#releaseAll()
    wire.until(wire.now + 1000)
    expect(wire.outputs.filter(({ kind }) => kind !== 'fenced').at(-1)).toEqual({ kind: 'over' })
    expect(wire.put({ kind: 'releaseAll' })).toEqual([])
    expect(wire.fenced().map(parseFloat).toSorted(ascending)).toEqual([...this.#fences.keys()])
    for (const to of sides) {
      this.#check(to)
      this.#checkReplies(to)
      this.#checkPings(to)
    }
  }

  #do(step: Step): void {
    const { wire } = this
    switch (step.kind) {
      case 'send':
        return this.#send(step.from, step.fates, step.fragments, step.pings, step.arrives)
      case 'arrive':
        return this.#arrive(step.from, step.bytes)
      case 'ping':
        if (!this.#silent.has(step.from)) this.#queue(step.from, [this.#ping(step.from, step.fate)], 1000)
        return
      case 'release ping': {
        const held = wire.rules.runs.flatMap(run => run.heldFrames)
        if (held.length > 0) wire.releaseFrame(held[step.which % held.length])
        return
      }
      case 'fence': {
        const id = this.#fences.size + 1
        const { to } = step
        this.#fences.set(
          id,
          wire.messages().filter(message => message.from === other(to) && !message.text.startsWith('S')),
        )
        wire.put({ kind: 'fence', to, id })
        return
      }
      case 'answer':
        return this.#answer(step.from)
      case 'decide': {
        const open = this.#questions()
        const message = open[step.which % open.length]
        if (message) this.#decide(message, step.verdict)
        return
      }
      case 'release': {
        const held = wire.rules.runs.flatMap(run => run.held)
        if (held.length > 0) this.#release(held[step.which % held.length])
        return
      }
      case 'inject':
        return this.#inject(step.to, step.place)
      case 'time':
        return wire.until(wire.now + step.ms)
      case 'rules':
        return this.#setRules(step.on)
      case 'peer closes':
        this.#ending = true
        if (!this.#silent.has(step.from)) this.#queue(step.from, [wire.closeFrame(step.from, 1000)], 1e6)
        this.#silent.add(step.from)
        this.#closing.add(step.from)
        return
      case 'close':
        this.#ending = true
        // To one side: the leg of the other is ended for it.
        this.#cutOff.add('client').add('server')
        wire.put({ kind: 'close', to: step.to, code: 1000, reason: '' })
        return
      case 'end':
        this.#ending = true
        if (step.how === 'rst') this.#cutOff.add('client').add('server')
        if (step.abrupt && this.#onTheWay[step.from].length > 0) this.#abrupt.add(step.from)
        else this.#arrive(step.from, 1e6)
        this.#onTheWay[step.from] = Buffer.alloc(0)
        this.#silent.add(step.from)
        wire.put({ kind: 'end', from: step.from, how: step.how })
        return
      case 'terminate':
        this.#ending = true
        this.#cutOff.add('client').add('server')
        wire.put({ kind: 'terminate', how: step.how })
    }
  }

  #setRules(on: boolean): void {
    if (on === (this.#rules !== undefined)) return
    if (on) {
      const starts = (letter: string) => ({ match: (text: string) => text.startsWith(letter) })
      const broken = (): never => {
        throw new Error('broken')
      }
      const pings = (letter: string) => ({ match: (frame: ControlFrame) => frame.payload[0] === letter.charCodeAt(0) })
      const runs: readonly RuleRun[] = [
        this.wire.controlRule('ping', { kind: 'drop' }, pings('d')),
        this.wire.controlRule('ping', { kind: 'hold' }, pings('h')),
        this.wire.controlRule('ping', { kind: 'delay', ms: 25 }, pings('l')),
        this.wire.rule({ kind: 'duplicate' }, { ...starts('C'), then: [{ kind: 'repeat', times: 1 }] }),
        this.wire.rule({ kind: 'reply', fn: value => `re:${String(value)}` }, starts('M')),
        this.wire.rule({ kind: 'drop' }, starts('D')),
        this.wire.rule({ kind: 'replace', fn: value => String(value).toLowerCase() }, starts('R')),
        this.wire.rule({ kind: 'hold', others: 'wait' }, starts('H')),
        this.wire.rule({ kind: 'hold', others: 'pass' }, starts('S')),
        this.wire.ask(starts('A')),
        this.wire.rule({ kind: 'delay', ms: 25 }, starts('L')),
        this.wire.rule({ kind: 'patch', fn: broken }, starts('T')),
      ]
      this.#actors.push(...runs)
      this.#rules = () => runs.forEach(run => run.dispose())
    } else {
      this.#rules?.()
      this.#rules = undefined
    }
    this.wire.put({ kind: 'rules' })
  }

  #send(from: Side, fates: readonly Fate[], fragments: number, pings: boolean, arrives: number): void {
    if (this.#silent.has(from)) return
    const names = fates.map(fate => `${fate.charAt(0).toUpperCase()}${this.#count++}`)
    this.#sent[from].push(...names)
    const payloads = this.#lines ? [names.map(name => `${name}\n`).join('')] : names
    this.#queue(
      from,
      payloads.flatMap(payload => this.#frames(from, payload, fragments, pings)),
      arrives,
    )
  }

  /** With a codec of lines the parts are WebSocket messages of their own, else fragments of one. */
  #frames(from: Side, payload: string, parts: number, pings: boolean): Buffer[] {
    const size = Math.max(1, Math.ceil(payload.length / parts))
    const frames: Buffer[] = []
    for (let at = 0; at < payload.length; at += size) {
      const last = at + size >= payload.length
      const text = payload.slice(at, at + size)
      frames.push(this.#lines ? this.wire.frame(from, text) : this.wire.frame(from, text, { opcode: at === 0 ? 1 : 0, fin: last }))
      if (pings && !last) frames.push(this.#ping(from, pingFates[this.#count % pingFates.length]!))
    }
    return frames
  }

  #ping(from: Side, fate: PingFate): Buffer {
    const name = `${fate.charAt(0)}${this.#count++}`
    this.#pings[from].push(name)
    return this.wire.frame(from, name, { opcode: 9 })
  }

  /** Sends the pongs to all pings that have come. */
  #answer(from: Side): void {
    if (this.#silent.has(from)) return
    const answered = this.#answered[from]
    const pings = this.wire.seen(from).flatMap(word => (word.startsWith('ping:') ? [word.slice('ping:'.length)] : []))
    const open = pings.filter(name => !answered.has(name))
    for (const name of open) answered.add(name)
    this.#queue(
      from,
      open.map(name => this.wire.frame(from, name, { opcode: 10 })),
      1e6,
    )
  }

  #queue(from: Side, frames: readonly Buffer[], arrives: number): void {
    this.#onTheWay[from] = Buffer.concat([this.#onTheWay[from], ...frames])
    this.#arrive(from, arrives)
  }

  #arrive(from: Side, size: number): void {
    const bytes = this.#onTheWay[from]
    if (bytes.length === 0 || size === 0) return
    this.#onTheWay[from] = bytes.subarray(size)
    this.wire.bytes(from, bytes.subarray(0, size))
  }

  #inject(to: Side, place: 'tail' | 'now'): void {
    const text = `I${this.#count++}`
    const arrived = this.wire.messages().filter(message => message.from === other(to) && !message.text.startsWith('S'))
    const ahead = place === 'now' ? [] : [...arrived.map(message => message.text.trim()), ...this.#injected[to].keys()]
    this.#injected[to].set(text, ahead)
    this.wire.put({ kind: 'send', to, payload: this.wire.session.encode(to, text), place })
  }

  #questions(): Message[] {
    return this.wire.outputs.flatMap(output => (output.kind === 'ask' && output.message.verdict === undefined ? [output.message] : []))
  }

  #decide(message: Message, verdict: string): void {
    const { wire } = this
    switch (verdict) {
      case 'drop':
        return void wire.decide(message.text, { kind: 'drop' })
      case 'replace':
        return void wire.decide(message.text, { kind: 'replace', value: message.text.trim().toLowerCase() })
      case 'hold':
        return void wire.decide(message.text, { kind: 'hold', others: 'wait' })
      case 'throw':
        return void wire.decide(message.text, undefined, new Error('broken'))
      default:
        return void wire.decide(message.text)
    }
  }

  #release(message: Message | undefined): void {
    if (message) this.#released.add(message)
    this.wire.release(message)
  }

  #releaseAll(): void {
    for (const message of this.wire.messages()) this.#released.add(message)
    this.wire.put({ kind: 'releaseAll' })
  }

  /** What is to wait has waited. */
  #checkWaiting(): void {
    for (const id of this.wire.fenced().slice(this.#fenced)) {
      this.#fenced++
      expect(this.#fences.get(Number(id))?.every(message => message.settled) ?? true).toBe(true)
    }
    for (const message of this.wire.messages()) {
      if (this.#checked.has(message) || message.delivered === undefined) continue
      this.#checked.add(message)
      const { verdict } = message
      expect(verdict).toBeDefined()
      if (verdict?.kind === 'hold') expect(this.#released).toContain(message)
      if (verdict?.kind === 'delay') expect(this.wire.now).toBeGreaterThanOrEqual(message.at + verdict.ms)
    }
  }

  #check(to: Side): void {
    const { wire } = this
    const from = other(to)
    const words = wire.seen(to)
    const ends = words.filter(word => word === 'fin' || word === 'rst')
    expect(ends.length).toBeLessThanOrEqual(1)
    if (ends.length > 0) expect(words.at(-1)).toBe(ends[0])

    const closeAt = words.findIndex(word => word.startsWith('close'))
    if (closeAt >= 0) expect(words.slice(closeAt + 1).filter(word => word !== 'fin' && word !== 'rst')).toEqual([])

    const content = words.filter(word => !/^p[io]ng:/.test(word) && !word.startsWith('close') && word !== 'fin' && word !== 'rst')
    const texts = joinFragments(content, this.#abrupt.has(from) || this.#cutOff.has(to))
    const lines = texts.join(this.#lines ? '' : '\n').split('\n')
    // The beginning of a message whose rest never came goes on too.
    if (this.#lines) lines.pop()
    const all = lines.filter(name => name !== '' && !name.startsWith('re:'))
    // A copy stands right behind what it is a copy of.
    const names = all.filter((name, i) => !name.startsWith('C') || name !== all[i - 1])
    const copied = new Set(this.#actors.flatMap(run => (isCopying(run) ? run.messages.map(message => message.text.trim()) : [])))
    for (const name of names) {
      const copies = all.filter(other => other === name).length
      if (!this.#ending) expect(copies).toBe(copied.has(name) ? 2 : 1)
      else expect(copies).toBeLessThanOrEqual(copied.has(name) ? 2 : 1)
    }
    expect(new Set(names).size).toBe(names.length)

    const sent = this.#sent[from]
    const injected = this.#injected[to]
    const relayed = names.filter(name => !injected.has(name)).map(name => name.toUpperCase())
    expect(sent).toEqual(expect.arrayContaining(relayed))

    // No inversion, but of what was set aside.
    const inPlace = relayed.filter(name => !name.startsWith('S'))
    expect(inPlace).toEqual(sent.filter(name => inPlace.includes(name)))
    for (const [name, ahead] of injected) {
      const behind = names.includes(name) ? names.slice(names.indexOf(name)).map(later => later.toUpperCase()) : []
      expect(ahead.filter(earlier => behind.includes(earlier))).toEqual([])
    }

    const messages = wire.messages().filter(message => message.from === from)
    expect(messages.map(message => message.text.trim())).toEqual(sent.slice(0, messages.length))
    for (const message of messages) {
      const name = message.text.trim()
      const delivered = message.delivered?.toString().trim()
      expect(delivered?.toUpperCase()).toBe(relayed.includes(name) ? name : undefined)
      if (delivered !== undefined) expect(names).toContain(delivered)
      // No loss that no rule asked for; but nothing can be put behind a message that was never completed.
      if (delivered !== undefined || this.#cutOff.has(to)) continue
      if (this.#abrupt.has(from) && name.startsWith('S')) continue
      if (this.#closing.size === 2 && message.verdict?.kind === 'hold') continue
      expect(message.verdict).toEqual({ kind: 'drop' })
    }
    if (!this.#cutOff.has(to) && !this.#abrupt.has(from)) expect(messages).toHaveLength(sent.length)
  }

  /** Who sent what is replied to gets the replies, in that order. */
  #checkReplies(to: Side): void {
    const asked = this.wire.messages().filter(({ from, text, verdict }) => from === to && text.startsWith('M') && verdict?.kind === 'drop')
    const due = asked.map(message => `re:${message.text.trim()}`)
    const seen = this.wire.seen(to).flatMap(word => (word.startsWith('re:') ? [word.trim()] : []))
    if (this.#ending) expect(seen).toEqual(due.filter(reply => seen.includes(reply)))
    else expect(seen).toEqual(due)
  }

  /** No ping is lost that no rule dropped, none is told twice, and those that no rule keeps back stay in order. */
  #checkPings(to: Side): void {
    const from = other(to)
    const sent = this.#pings[from]
    const seen = this.wire.seen(to).flatMap(word => (/^ping:[dhlp]\d/.test(word) ? [word.slice('ping:'.length)] : []))
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.filter(name => name.startsWith('p'))).toEqual(sent.filter(name => name.startsWith('p') && seen.includes(name)))
    if (!this.#ending) expect(seen.toSorted()).toEqual(sent.filter(name => !name.startsWith('d') || seen.includes(name)).toSorted())
    // A pong of theirs goes where its ping came from; ours are taken out.
    const pongs = this.wire.seen(to).filter(word => word.startsWith('pong:'))
    const due = [...this.#answered[from]].flatMap(name => (/^[dhlp]\d/.test(name) ? [`pong:${name}`] : []))
    if (this.#ending) expect(due).toEqual(expect.arrayContaining(pongs))
    else expect(pongs).toEqual(due)
  }
}

function isCopying({ rule }: RuleRun): boolean {
  return rule.on === 'message' && rule.action.kind === 'duplicate'
}

function ascending(a: number, b: number): number {
  return a - b
}

/** Puts `a…`, `…b…`, `…c` together; anything else between them is an error. `cut`: the last one may be without its end. */
function joinFragments(words: readonly string[], cut: boolean): string[] {
  const texts: string[] = []
  let open: string | undefined
  for (const [i, word] of words.entries()) {
    if (cut && word === 'part of a frame') {
      expect(i).toBe(words.length - 1)
      return texts
    }
    const continued = word.startsWith('…')
    expect(continued, `${word} among ${words.join(' ')}`).toBe(open !== undefined)
    const text: string = (open ?? '') + word.replaceAll('…', '')
    if (word.endsWith('…')) open = text
    else {
      texts.push(text)
      open = undefined
    }
  }
  if (!cut) expect(open).toBeUndefined()
  return texts
}

/** Short schedules are easy to shrink; in a long run the queues get long too. */
const steps = long ? fc.array(step, { minLength: 50, maxLength: 200 }) : fc.array(step, { maxLength: 25 })
const wanted = 500_000

test.for([
  ['one message in each WebSocket message', textCodec],
  ['messages packed into, and spread over, WebSocket messages', lineCodec],
] as const)(
  'the order contract holds for any schedule, also while rules come and go: %s (T93)',
  { timeout: long ? 3_600_000 : 60_000 },
  ([, codec]) => {
    const { seed = randomInt(2 ** 31), ...settings } = runs(400, 14_000)
    if (long) console.log(`MIDWIRE_SEED=${seed}`)
    let messages = 0
    fc.assert(
      fc.property(
        steps,
        fc.option(ending, { nil: undefined }),
        fc.array(step, { maxLength: 8 }),
        fc.option(ending, { nil: undefined }),
        (before, first, between, second) => {
          const run = new Run(codec)
          for (const step of [...before, first, ...between, second]) if (step) run.do(step)
          run.finish()
          messages += run.wire.messages().length
        },
      ),
      { ...settings, seed },
    )
    if (long) console.log(`${messages} messages in order`)
    if (long && settings.path === undefined && process.env['MIDWIRE_RUNS'] === undefined) expect(messages).toBeGreaterThan(wanted)
  },
)
