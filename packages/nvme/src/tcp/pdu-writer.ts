// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  TCP_CAPSULE_CMD_BYTES,
  TCP_CAPSULE_RESP_BYTES,
  TCP_DATA_BYTES,
  TCP_DIGEST_BYTES,
  TCP_IC_BYTES,
  TCP_TERM_BYTES,
  TCP_TERM_BYTES_MAX,
  TcpFlags,
  TcpPduType,
} from '../spec/index.ts'
import { crc32c } from './crc32c.ts'
import type { PduAgreement } from './pdu-reader.ts'

export interface IcInit {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  /** What PDO of the PDUs that the sender reads shall be a multiple of: 4 to 128 bytes, a multiple of 4. */
  readonly dataAlignmentBytes: number
}

/** Where data belongs. */
export interface DataPlace {
  /** The command that it is of. */
  readonly commandId: number
  readonly offsetBytes: number
  readonly lengthBytes: number
  /** Nothing of the data follows. */
  readonly isLast: boolean
}

/** ICReq. `maxR2t`: requests to transmit of one command at once, at least 1. @see NVMe TCP Transport 1.1, 3.6.2.1 */
export function icReq(init: IcInit & { readonly maxR2t: number }): Uint8Array {
  return initialise(TcpPduType.IC_REQ, init, init.maxR2t - 1)
}

/** ICResp. `maxH2cDataBytes`: data of one H2CData PDU at most. @see NVMe TCP Transport 1.1, 3.6.2.2 */
export function icResp(init: IcInit & { readonly maxH2cDataBytes: number }): Uint8Array {
  return initialise(TcpPduType.IC_RESP, init, init.maxH2cDataBytes)
}

/** H2CTermReq or C2HTermReq, with the header that was wrong. @see NVMe TCP Transport 1.1, 3.6.2.3, 3.6.2.4 */
export function termReq(
  type: typeof TcpPduType.H2C_TERM_REQ | typeof TcpPduType.C2H_TERM_REQ,
  fatalError: number,
  information: number,
  header: Uint8Array,
): Uint8Array {
  const data = header.subarray(0, TCP_TERM_BYTES_MAX - TCP_TERM_BYTES)
  const bytes = new Uint8Array(TCP_TERM_BYTES + data.length)
  const view = commonHeader(bytes, type, TCP_TERM_BYTES, bytes.length)
  view.setUint16(8, fatalError, true)
  view.setUint32(10, information, true)
  bytes.set(data, TCP_TERM_BYTES)
  return bytes
}

/**
 * The PDUs of an initialised connection. Each call gives what comes before the data: header, digest and padding; the data follows, and then what `dataDigest`
 * gives.
 */
export class PduWriter {
  readonly #agreement: PduAgreement

  /** `agreement.dataAlignmentBytes` is what the peer asked for. */
  constructor(agreement: PduAgreement) {
    this.#agreement = agreement
  }

  /** `entry` has 64 bytes; `dataBytes` of in-capsule data follow. @see NVMe TCP Transport 1.1, 3.6.2.5 */
  capsuleCmd(entry: Uint8Array, dataBytes: number): Uint8Array {
    const bytes = this.#make(TcpPduType.CAPSULE_CMD, TCP_CAPSULE_CMD_BYTES, 0, dataBytes)
    bytes.set(entry, 8)
    return this.#digested(bytes, TCP_CAPSULE_CMD_BYTES)
  }

  /** `entry` has 16 bytes. @see NVMe TCP Transport 1.1, 3.6.2.6 */
  capsuleResp(entry: Uint8Array): Uint8Array {
    const bytes = this.#make(TcpPduType.CAPSULE_RESP, TCP_CAPSULE_RESP_BYTES, 0, 0)
    bytes.set(entry, 8)
    return this.#digested(bytes, TCP_CAPSULE_RESP_BYTES)
  }

  /** `transferTag`: of the R2T that it answers. @see NVMe TCP Transport 1.1, 3.6.2.7 */
  h2cData(place: DataPlace, transferTag: number): Uint8Array {
    const flags = place.isLast ? TcpFlags.LAST_PDU : 0
    return this.#data(TcpPduType.H2C_DATA, place, transferTag, flags)
  }

  /** `success`: the last, and no CapsuleResp follows. @see NVMe TCP Transport 1.1, 3.6.2.8 */
  c2hData(place: DataPlace, success: boolean): Uint8Array {
    const flags = (place.isLast ? TcpFlags.LAST_PDU : 0) | (success ? TcpFlags.SUCCESS : 0)
    return this.#data(TcpPduType.C2H_DATA, place, 0, flags)
  }

  /** @see NVMe TCP Transport 1.1, 3.6.2.9 */
  r2t(place: Omit<DataPlace, 'isLast'>, transferTag: number): Uint8Array {
    const bytes = this.#make(TcpPduType.R2T, TCP_DATA_BYTES, 0, 0)
    return this.#placed(bytes, place, transferTag)
  }

  /** What follows the data; null where no digest was agreed on. */
  dataDigest(...parts: readonly Uint8Array[]): Uint8Array | null {
    if (!this.#agreement.dataDigest) return null
    let crc = 0
    for (const part of parts) crc = crc32c(part, crc)
    const bytes = new Uint8Array(TCP_DIGEST_BYTES)
    new DataView(bytes.buffer).setUint32(0, crc, true)
    return bytes
  }

  #data(type: number, place: DataPlace, transferTag: number, flags: number): Uint8Array {
    const bytes = this.#make(type, TCP_DATA_BYTES, flags, place.lengthBytes)
    return this.#placed(bytes, place, transferTag)
  }

  #placed(
    bytes: Uint8Array,
    { commandId, offsetBytes, lengthBytes }: Omit<DataPlace, 'isLast'>,
    transferTag: number,
  ): Uint8Array {
    const view = new DataView(bytes.buffer)
    view.setUint16(8, commandId, true)
    view.setUint16(10, transferTag, true)
    view.setUint32(12, offsetBytes, true)
    view.setUint32(16, lengthBytes, true)
    return this.#digested(bytes, TCP_DATA_BYTES)
  }

  #make(type: number, headerBytes: number, flags: number, dataBytes: number): Uint8Array {
    const { headerDigest, dataDigest, dataAlignmentBytes } = this.#agreement
    const end = headerBytes + (headerDigest ? TCP_DIGEST_BYTES : 0)
    const pdo = Math.ceil(end / dataAlignmentBytes) * dataAlignmentBytes
    const hasData = dataBytes > 0
    const tail = dataDigest ? TCP_DIGEST_BYTES : 0
    const bytes = new Uint8Array(hasData ? pdo : end)
    const plen = hasData ? pdo + dataBytes + tail : end
    commonHeader(bytes, type, headerBytes, plen)
    bytes[1] =
      flags | (headerDigest ? TcpFlags.HDGSTF : 0) | (dataDigest && hasData ? TcpFlags.DDGSTF : 0)
    if (hasData) bytes[3] = pdo
    return bytes
  }

  #digested(bytes: Uint8Array, headerBytes: number): Uint8Array {
    if (this.#agreement.headerDigest) {
      const digest = crc32c(bytes.subarray(0, headerBytes))
      new DataView(bytes.buffer).setUint32(headerBytes, digest, true)
    }
    return bytes
  }
}

function initialise(type: number, init: IcInit, last: number): Uint8Array {
  const bytes = new Uint8Array(TCP_IC_BYTES)
  const view = commonHeader(bytes, type, TCP_IC_BYTES, TCP_IC_BYTES)
  view.setUint8(10, init.dataAlignmentBytes / 4 - 1)
  view.setUint8(11, (init.headerDigest ? 1 : 0) | (init.dataDigest ? 2 : 0))
  view.setUint32(12, last, true)
  return bytes
}

function commonHeader(
  bytes: Uint8Array,
  type: number,
  headerBytes: number,
  plen: number,
): DataView {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setUint8(0, type)
  view.setUint8(2, headerBytes)
  view.setUint32(4, plen, true)
  return view
}
