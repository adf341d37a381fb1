// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// A controller that sends anything at all: the host's end of a connection never throws, never writes beside the memory of its commands, and ends no command
// twice; it goes on, or it ends the connection and says why.

import { createEventLoopScheduler, createPrng, type Prng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import { SQE_BYTES, Status, TcpFatalError, TcpPduType } from '../../../src/spec/index.ts'
import { Direction } from '../../../src/tcp/data-direction.ts'
import type { LinkError } from '../../../src/tcp/host/link-error.ts'
import { BufferMemory, LinkRequest } from '../../../src/tcp/host/link-request.ts'
import { QueueLink } from '../../../src/tcp/host/queue-link.ts'
import { icResp, PduWriter, termReq } from '../../../src/tcp/pdu-writer.ts'
import { completionEntry } from '../../../src/tcp/target/response.ts'
import { pattern } from '../../sim/host/rig.ts'

const DATA_BYTES = 4096
const GUARD_BYTES = 64
const GUARD = 0xee
const CASES = 100_000
const READ = 1
const WRITE = 2
const OTHER = 3

interface Digests {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** A link that is initialised, with a read, a write and a command without data under way. */
function world(digests: Digests) {
  const scheduler = createEventLoopScheduler()
  const sent: Uint8Array[] = []
  const ends: number[] = []
  let error: LinkError | null = null
  let isClosed = false
  const dial = () => ({
    send(parts: readonly Uint8Array[], done?: () => void) {
      if (!isClosed) sent.push(join(parts))
      done?.()
    },
    end() {
      isClosed = true
    },
    destroy() {
      isClosed = true
    },
  })
  const link = new QueueLink({ scheduler, dial }, { name: 'link', ...digests }, (lost) => {
    expect(error).toBe(null)
    error = lost
  })
  link.connected()
  const agreement = { ...digests, dataAlignmentBytes: 4 }
  link.received(icResp({ ...agreement, maxH2cDataBytes: 4096 }))
  sent.length = 0
  const memory = new Uint8Array(DATA_BYTES + 2 * GUARD_BYTES).fill(GUARD)
  const inside = memory.subarray(GUARD_BYTES, GUARD_BYTES + DATA_BYTES)
  const submit = (id: number, direction: Direction, bytes: Uint8Array): LinkRequest => {
    const request = new LinkRequest(new BufferMemory(bytes), () => ends.push(id))
    request.begin(id, direction, id === READ)
    const entry = new Uint8Array(SQE_BYTES)
    new DataView(entry.buffer).setUint16(2, id, true)
    link.submit(request, entry)
    return request
  }
  const requests = {
    read: submit(READ, Direction.FROM_CONTROLLER, inside),
    write: submit(WRITE, Direction.TO_CONTROLLER, pattern(DATA_BYTES, 9)),
    other: submit(OTHER, Direction.NONE, new Uint8Array()),
  }
  return {
    link,
    sent,
    ends,
    requests,
    inside,
    writer: new PduWriter(agreement),
    error: () => error,
    isClosed: () => isClosed,
    guardsHold: () =>
      [...memory.subarray(0, GUARD_BYTES), ...memory.subarray(GUARD_BYTES + DATA_BYTES)].every(
        (byte) => byte === GUARD,
      ),
  }
}

/** What a controller would send, PDU by PDU. */
function script(writer: PduWriter): Uint8Array[] {
  const data = pattern(DATA_BYTES, 5)
  const half = DATA_BYTES / 2
  const c2h = (offsetBytes: number, isLast: boolean): Uint8Array => {
    const part = data.subarray(offsetBytes, offsetBytes + half)
    const place = { commandId: READ, offsetBytes, lengthBytes: half, isLast }
    return join([writer.c2hData(place, false), part, writer.dataDigest(part) ?? new Uint8Array()])
  }
  const end = (id: number): Uint8Array => writer.capsuleResp(completionEntry(0, 0, 0, 0, id))
  return [
    c2h(0, false),
    writer.r2t({ commandId: WRITE, offsetBytes: 0, lengthBytes: DATA_BYTES }, 4),
    c2h(half, true),
    end(OTHER),
    end(READ),
    end(WRITE),
  ]
}

/** Something is wrong with it, most often. */
function damaged(pdus: readonly Uint8Array[], prng: Prng): Uint8Array[] {
  const out: Uint8Array[] = pdus.map((pdu) => pdu.slice())
  const at = prng.below(out.length)
  const chosen = out[at] ?? new Uint8Array()
  switch (prng.below(8)) {
    case 0:
      out.splice(at, 1)
      break
    case 1:
      out.splice(at, 0, chosen.slice())
      break
    case 2:
      out[at] = chosen.subarray(0, prng.below(chosen.length))
      break
    case 3:
      out.splice(prng.below(out.length), 0, ...out.splice(at, 1))
      break
    case 4:
      out[at] = Uint8Array.from({ length: 1 + prng.below(200) }, () => prng.below(256))
      break
    case 5:
      out[at] = termReq(TcpPduType.C2H_TERM_REQ, 1 + prng.below(6), 0, chosen.subarray(0, 24))
      break
    default:
      // In the header, for the most part: that is where lengths, offsets and identifiers are.
      for (let i = 0; i <= prng.below(3); i++) {
        chosen[prng.below(Math.min(chosen.length, prng.below(4) === 0 ? 1 << 16 : 24))] =
          prng.below(256)
      }
  }
  return out
}

function feed(link: QueueLink, bytes: Uint8Array, prng: Prng, everyByte: boolean): void {
  for (let at = 0; at < bytes.length; ) {
    const size = everyByte ? 1 : 1 + prng.below(3000)
    link.received(bytes.subarray(at, at + size))
    at += size
  }
}

describe('a controller that is to be believed', () => {
  it.each([
    [{ headerDigest: false, dataDigest: false }],
    [{ headerDigest: true, dataDigest: true }],
  ])('is understood in whatever pieces it speaks, with %o', (digests) => {
    const prng = createPrng(1)
    for (const everyByte of [true, false]) {
      const { link, writer, ends, requests, inside, sent, error } = world(digests)
      sent.length = 0
      feed(link, join(script(writer)), prng, everyByte)
      expect([error(), ends]).toEqual([null, [OTHER, READ, WRITE]])
      expect([requests.read.status, requests.write.status]).toEqual([0, 0])
      expect(Buffer.compare(inside, pattern(DATA_BYTES, 5))).toBe(0)
      expect(sent.map(([type]) => type)).toEqual([TcpPduType.H2C_DATA])
    }
  })

  it('has its command tried again where data came short, or is not what its digest says', () => {
    const short = world({ headerDigest: false, dataDigest: false })
    const [first = new Uint8Array(), , , , end = new Uint8Array()] = script(short.writer)
    short.link.received(join([first, end]))
    expect(short.requests.read.status).toBe(Status.TRANSIENT_TRANSPORT_ERROR)
    const wrong = world({ headerDigest: false, dataDigest: true })
    const pdus = script(wrong.writer)
    const damagedData = pdus[0] ?? new Uint8Array()
    damagedData[100] = (damagedData[100] ?? 0) ^ 1
    wrong.link.received(join(pdus))
    expect([wrong.error(), wrong.requests.read.status]).toEqual([
      null,
      Status.TRANSIENT_TRANSPORT_ERROR,
    ])
    expect([wrong.requests.write.status, wrong.ends.length]).toEqual([0, 3])
  })
})

describe('a hostile controller', () => {
  it(`has its connection ended, or does no harm: ${CASES} cases`, () => {
    const seen = new Map<string, number>()
    for (let seed = 1; seed <= CASES; seed++) {
      const prng = createPrng(seed)
      const digests = { headerDigest: prng.below(2) === 0, dataDigest: prng.below(2) === 0 }
      const one = world(digests)
      feed(one.link, join(damaged(script(one.writer), prng)), prng, seed % 50 === 0)
      const error = one.error()
      if (new Set(one.ends).size !== one.ends.length) throw new Error(`seed ${seed}: twice`)
      if (!one.guardsHold()) throw new Error(`seed ${seed}: memory`)
      if ((error !== null) !== one.isClosed()) throw new Error(`seed ${seed}: ${error}`)
      if (error?.code === 'EPROTO') {
        const last = one.sent.at(-1) ?? new Uint8Array()
        const fatal = last[8] ?? 0
        const isSaid = last[0] === TcpPduType.H2C_TERM_REQ && fatal > 0
        if (!isSaid) throw new Error(`seed ${seed}: not told`)
        seen.set(`fatal ${fatal}`, (seen.get(`fatal ${fatal}`) ?? 0) + 1)
      }
      const end = error?.code ?? 'none'
      seen.set(end, (seen.get(end) ?? 0) + 1)
    }
    const { INVALID_PDU_HEADER, PDU_SEQUENCE, HEADER_DIGEST, DATA_OUT_OF_RANGE } = TcpFatalError
    const reasons = [INVALID_PDU_HEADER, PDU_SEQUENCE, HEADER_DIGEST, DATA_OUT_OF_RANGE]
    for (const what of [
      'none',
      'EPROTO',
      'ECONNABORTED',
      ...reasons.map((one) => `fatal ${one}`),
    ]) {
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(20)
    }
  }, 120_000)

  it.each([
    ['another version', (bytes: Uint8Array) => bytes.fill(1, 8, 9)],
    ['an alignment out of range', (bytes: Uint8Array) => bytes.fill(200, 10, 11)],
    ['digests that nobody asked for', (bytes: Uint8Array) => bytes.fill(3, 11, 12)],
    ['a MAXH2CDATA below the least', (bytes: Uint8Array) => bytes.fill(0, 12, 16)],
  ])('is refused for an ICResp with %s', (_what, damage) => {
    const scheduler = createEventLoopScheduler()
    const sent: Uint8Array[] = []
    const dial = () => ({
      send: (parts: readonly Uint8Array[]) => void sent.push(join(parts)),
      end: () => {},
      destroy: () => {},
    })
    let error: LinkError | null = null
    const init = { name: 'link', headerDigest: false, dataDigest: false }
    const link = new QueueLink({ scheduler, dial }, init, (lost) => {
      error = lost
    })
    link.connected()
    const answer = { headerDigest: false, dataDigest: false, dataAlignmentBytes: 4 }
    link.received(damage(icResp({ ...answer, maxH2cDataBytes: 8192 })))
    expect(error).toMatchObject({ code: 'EPROTO' })
    expect(sent.map(([type]) => type)).toEqual([TcpPduType.IC_REQ, TcpPduType.H2C_TERM_REQ])
  })
})
