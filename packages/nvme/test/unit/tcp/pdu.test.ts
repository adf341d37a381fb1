// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { createPrng } from '@iolayers/kernel'
import { describe, expect, it } from 'vitest'
import {
  decode,
  type Layout,
  TcpC2hDataLayout,
  TcpCapsuleCmdLayout,
  TcpCapsuleRespLayout,
  TcpFatalError,
  TcpFlags,
  TcpH2cDataLayout,
  TcpIcReqLayout,
  TcpIcRespLayout,
  TcpPduType,
  TcpR2tLayout,
  TcpTermReqLayout,
} from '../../../src/spec/index.ts'
import {
  icReq,
  icResp,
  type PduAgreement,
  PduError,
  type PduHeader,
  PduReader,
  type PduSide,
  type PduSink,
  PduWriter,
  termReq,
} from '../../../src/tcp/index.ts'

const DATA_MAX = 8192
const NO_DIGESTS = { headerDigest: false, dataDigest: false, dataAlignmentBytes: 4 }
const IC = icReq({ ...NO_DIGESTS, maxR2t: 1 })
const LAYOUTS: Readonly<Record<number, Layout>> = {
  [TcpPduType.IC_REQ]: TcpIcReqLayout,
  [TcpPduType.IC_RESP]: TcpIcRespLayout,
  [TcpPduType.H2C_TERM_REQ]: TcpTermReqLayout,
  [TcpPduType.C2H_TERM_REQ]: TcpTermReqLayout,
  [TcpPduType.CAPSULE_CMD]: TcpCapsuleCmdLayout,
  [TcpPduType.CAPSULE_RESP]: TcpCapsuleRespLayout,
  [TcpPduType.H2C_DATA]: TcpH2cDataLayout,
  [TcpPduType.C2H_DATA]: TcpC2hDataLayout,
  [TcpPduType.R2T]: TcpR2tLayout,
}

interface Seen {
  readonly fields: { readonly [name: string]: unknown }
  readonly data: number[]
  digestOk: boolean | null
}

/** Keeps all PDUs that come, and checks that they come as promised. */
class Recorder implements PduSink {
  readonly seen: Seen[] = []
  #left = 0

  pduBegin({ type, view, dataBytes }: PduHeader): void {
    expect(this.#left).toBe(0)
    const layout = LAYOUTS[type]
    if (layout === undefined) throw new Error(`type ${type}`)
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    this.seen.push({ fields: decode(layout, bytes), data: [], digestOk: null })
    this.#left = dataBytes
  }

  pduData(bytes: Uint8Array): void {
    expect(bytes.length).toBeGreaterThan(0)
    this.#left -= bytes.length
    expect(this.#left).toBeGreaterThanOrEqual(0)
    this.seen.at(-1)?.data.push(...bytes)
  }

  pduEnd(digestOk: boolean): void {
    expect(this.#left).toBe(0)
    const last = this.seen.at(-1)
    if (last !== undefined) last.digestOk = digestOk
  }
}

function reader(side: PduSide, agreement?: PduAgreement) {
  const sink = new Recorder()
  const pdus = new PduReader(sink, { side, dataBytesMax: DATA_MAX })
  pdus.push(side === 'controller' ? IC : icResp({ ...NO_DIGESTS, maxH2cDataBytes: DATA_MAX }))
  sink.seen.length = 0
  if (agreement !== undefined) pdus.agreement = agreement
  return { sink, pdus }
}

/** Header, data, digest: all that goes out. */
function wire(writer: PduWriter, head: Uint8Array, data: Uint8Array): Uint8Array {
  const tail = data.length === 0 ? null : writer.dataDigest(data)
  return Uint8Array.from([...head, ...data, ...(tail ?? [])])
}

const AGREEMENTS = [false, true].flatMap((headerDigest) =>
  [false, true].flatMap((dataDigest) =>
    [4, 64, 128].map((dataAlignmentBytes) => ({ headerDigest, dataDigest, dataAlignmentBytes })),
  ),
)

describe('PDUs', () => {
  it.each(AGREEMENTS)('%j: what is written is read, in whatever pieces it comes', (agreement) => {
    const prng = createPrng(agreement.dataAlignmentBytes)
    const writer = new PduWriter(agreement)
    const bytes = (length: number) => Uint8Array.from({ length }, () => prng.below(256))
    for (const side of ['controller', 'host'] as const) {
      const { sink, pdus } = reader(side, agreement)
      const sent: { bytes: Uint8Array; fields: object; data: Uint8Array }[] = []
      for (let i = 0; i < 60; i++) {
        const length = prng.below(4) === 0 ? 0 : 1 + prng.below(600)
        const data = bytes(length)
        const place = {
          commandId: prng.below(65_536),
          offsetBytes: prng.below(1 << 20) * 4,
          lengthBytes: length,
          isLast: prng.below(2) === 0,
        }
        const tag = prng.below(65_536)
        const where = { CCCID: place.commandId, DATAO: place.offsetBytes, DATAL: length }
        if (side === 'controller' && prng.below(2) === 0) {
          const SQE = bytes(64)
          const head = writer.capsuleCmd(SQE, length)
          sent.push({ bytes: wire(writer, head, data), fields: { TYPE: 4, SQE }, data })
        } else if (side === 'controller') {
          if (length === 0) continue
          const head = writer.h2cData(place, tag)
          const fields = { TYPE: 6, TTAG: tag, ...where }
          sent.push({ bytes: wire(writer, head, data), fields, data })
        } else if (prng.below(3) === 0) {
          const CQE = bytes(16)
          const nothing = new Uint8Array()
          sent.push({ bytes: writer.capsuleResp(CQE), fields: { TYPE: 5, CQE }, data: nothing })
        } else if (prng.below(2) === 0) {
          const fields = { TYPE: 9, TTAG: tag, R2TO: place.offsetBytes, R2TL: length }
          const nothing = new Uint8Array()
          sent.push({ bytes: writer.r2t(place, tag), fields, data: nothing })
        } else {
          if (length === 0) continue
          const head = writer.c2hData(place, place.isLast)
          sent.push({ bytes: wire(writer, head, data), fields: { TYPE: 7, ...where }, data })
        }
      }
      const stream = Uint8Array.from(sent.flatMap((pdu) => [...pdu.bytes]))
      for (let at = 0; at < stream.length; ) {
        const next = at + 1 + prng.below(prng.below(3) === 0 ? 2000 : 9)
        pdus.push(stream.subarray(at, next))
        at = next
      }
      expect(pdus.atBoundary).toBe(true)
      expect(sink.seen.length).toBe(sent.length)
      sent.forEach(({ fields, data, bytes: all }, i) => {
        expect(sink.seen[i]?.fields).toMatchObject({ ...fields, PLEN: all.length })
        expect(sink.seen[i]?.data).toEqual([...data])
        expect(sink.seen[i]?.digestOk).toBe(true)
      })
    }
  })

  it('data begins where the peer wants it', () => {
    const writer = new PduWriter({ ...NO_DIGESTS, headerDigest: true, dataAlignmentBytes: 128 })
    const head = writer.capsuleCmd(new Uint8Array(64), 512)
    expect([head.length, head[3]]).toEqual([128, 128])
    // Without data there is nothing to align.
    expect(writer.capsuleCmd(new Uint8Array(64), 0).length).toBe(76)
  })

  it('initialisation says what each side wants', () => {
    const wants = { headerDigest: true, dataDigest: false, dataAlignmentBytes: 32 }
    expect(decode(TcpIcReqLayout, icReq({ ...wants, maxR2t: 3 }))).toMatchObject({
      PLEN: 128,
      HPDA: 7,
      HDGST: 1,
      DDGST: 0,
      MAXR2T: 2,
    })
    const other = { headerDigest: false, dataDigest: true, dataAlignmentBytes: 4 }
    expect(decode(TcpIcRespLayout, icResp({ ...other, maxH2cDataBytes: 131_072 }))).toMatchObject({
      TYPE: 1,
      CPDA: 0,
      HDGST: 0,
      DDGST: 1,
      MAXH2CDATA: 131_072,
    })
  })

  it('a termination carries what was wrong, as much as fits', () => {
    const { sink, pdus } = reader('host')
    const bad = Uint8Array.from({ length: 200 }, (_, i) => i)
    const bytes = termReq(TcpPduType.C2H_TERM_REQ, TcpFatalError.PDU_SEQUENCE, 0x12_3456, bad)
    expect(bytes.length).toBe(152)
    pdus.push(bytes)
    expect(sink.seen[0]).toMatchObject({
      fields: { FES: 2, FEI: 0x12_3456 },
      data: [...bad.subarray(0, 128)],
    })
  })

  it('wrong data is told at its end, and the connection goes on', () => {
    const agreement = { headerDigest: true, dataDigest: true, dataAlignmentBytes: 4 }
    const { sink, pdus } = reader('controller', agreement)
    const writer = new PduWriter(agreement)
    const data = new Uint8Array(100).fill(7)
    const bytes = wire(writer, writer.capsuleCmd(new Uint8Array(64), 100), data)
    bytes[120] = (bytes[120] ?? 0) ^ 1
    pdus.push(bytes)
    pdus.push(wire(writer, writer.capsuleCmd(new Uint8Array(64), 100), data))
    expect(sink.seen.map(({ digestOk }) => digestOk)).toEqual([false, true])
  })
})

describe('what is no PDU', () => {
  type Change = (bytes: Uint8Array) => void
  const both = { headerDigest: true, dataDigest: true, dataAlignmentBytes: 64 }
  const at =
    (index: number, value: number): Change =>
    (bytes) => {
      bytes[index] = value
    }
  const plen =
    (value: number): Change =>
    (bytes) =>
      new DataView(bytes.buffer).setUint32(4, value, true)

  it.each([
    ['a type that there is not', NO_DIGESTS, at(0, 0x0b), 1, 0, /type 0bh/],
    ['a type for the other side', NO_DIGESTS, at(0, 0x07), 1, 0, /type 07h to a controller/],
    ['initialisation again', NO_DIGESTS, at(0, 0x00), 2, 0, /second time/],
    ['a header of another length', NO_DIGESTS, at(2, 71), 1, 2, /HLEN 71/],
    ['less than its header', NO_DIGESTS, plen(71), 1, 4, /PLEN 71/],
    ['more data than may be', NO_DIGESTS, plen(72 + DATA_MAX + 1), 1, 4, /PLEN 8265/],
    ['as much as can be said', NO_DIGESTS, plen(0xffff_ffff), 1, 4, /PLEN 4294967295/],
    ['data within the header', NO_DIGESTS, at(3, 68), 1, 3, /PDO 68/],
    [
      'data at a wrong place',
      { ...NO_DIGESTS, dataAlignmentBytes: 64 },
      at(3, 124),
      1,
      3,
      /PDO 124/,
    ],
    ['a digest that was not agreed on', NO_DIGESTS, at(1, TcpFlags.HDGSTF), 1, 1, /flags 01h/],
    ['data with one', NO_DIGESTS, at(1, TcpFlags.DDGSTF), 1, 1, /data and flags 02h/],
  ] as const)('%s', (_name, agreement, change, fatalError, information, words) => {
    const { sink, pdus } = reader('controller', agreement)
    const writer = new PduWriter(agreement)
    const bytes = wire(writer, writer.capsuleCmd(new Uint8Array(64), 64), new Uint8Array(64))
    change(bytes)
    let found: unknown
    try {
      pdus.push(bytes)
    } catch (error) {
      found = error
    }
    expect(found).toBeInstanceOf(PduError)
    expect(found).toMatchObject({ fatalError, information, message: expect.stringMatching(words) })
    expect(sink.seen).toEqual([])
    // What comes after it is not looked at.
    pdus.push(wire(writer, writer.capsuleCmd(new Uint8Array(64), 0), new Uint8Array()))
    expect(sink.seen).toEqual([])
  })

  it('a header whose digest is another one', () => {
    const { pdus } = reader('controller', both)
    const bytes = new PduWriter(both).capsuleCmd(new Uint8Array(64), 0)
    bytes[20] = 1
    expect(() => pdus.push(bytes)).toThrow(/header digest/)
  })

  it('anything before initialisation, but for a termination by the controller', () => {
    const fresh = (side: PduSide) => new PduReader(new Recorder(), { side, dataBytesMax: DATA_MAX })
    const writer = new PduWriter(NO_DIGESTS)
    const capsule = writer.capsuleCmd(new Uint8Array(64), 0)
    expect(() => fresh('controller').push(capsule)).toThrow(/before the connection/)
    expect(() => fresh('host').push(writer.capsuleResp(new Uint8Array(16)))).toThrow(/before/)
    const ended = termReq(TcpPduType.C2H_TERM_REQ, 6, 8, IC)
    expect(() => fresh('host').push(ended)).not.toThrow()
  })

  it('100,000 times mutated: an error with a status or PDUs within bounds, and nothing else', () => {
    const prng = createPrng(11)
    let refused = 0
    for (let round = 0; round < 100_000; round++) {
      const agreement = AGREEMENTS[prng.below(AGREEMENTS.length)] ?? NO_DIGESTS
      const side = prng.below(2) === 0 ? 'controller' : 'host'
      let data = 0
      const pdus = new PduReader(
        {
          pduBegin: ({ dataBytes }) => {
            if (dataBytes > DATA_MAX) throw new Error('too much data')
          },
          pduData: (bytes) => {
            data += bytes.length
          },
          pduEnd: () => {},
        },
        { side, dataBytesMax: DATA_MAX },
      )
      pdus.push(side === 'controller' ? IC : icResp({ ...NO_DIGESTS, maxH2cDataBytes: 4096 }))
      pdus.agreement = agreement
      const writer = new PduWriter(agreement)
      const length = prng.below(40)
      const place = { commandId: 1, offsetBytes: 0, lengthBytes: length, isLast: true }
      const body = new Uint8Array(length)
      const heads = {
        controller: [writer.capsuleCmd(new Uint8Array(64), length), writer.h2cData(place, 1)],
        host: [writer.c2hData(place, true), writer.capsuleResp(new Uint8Array(16))],
      }[side]
      const bytes = wire(writer, heads[prng.below(2)] ?? IC, body)
      for (let changes = prng.below(4); changes > 0; changes--) {
        const where = prng.below(3) === 0 ? prng.below(bytes.length) : prng.below(8)
        bytes[where] = prng.below(256)
      }
      try {
        pdus.push(bytes)
        pdus.push(bytes)
      } catch (error) {
        if (!(error instanceof PduError)) throw error
        if (error.fatalError < 1 || error.fatalError > 6 || error.header.length > 128) throw error
        refused++
      }
      if (data > 2 * bytes.length) throw new Error('more data than came')
    }
    expect(refused).toBeGreaterThan(10_000)
    expect(refused).toBeLessThan(90_000)
  })
})
