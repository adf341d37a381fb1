// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** By which names a namespace is known everywhere. */
export interface NamespaceNames {
  readonly eui64: Uint8Array
  readonly nguid: Uint8Array
  readonly uuid: Uint8Array
}

const UUID_VERSION = 8
const LOCAL = 0x02

/**
 * Made of the serial number of the controller and the identifier of the namespace: the same again for the same, and others for others. Nobody has assigned them,
 * so the EUI-64 is a local one and the UUID one of version 8. @see RFC 9562, 5.8
 */
export function namesOf(serialNumber: string, nsid: number): NamespaceNames {
  const nguid = new Uint8Array(16)
  const view = new DataView(nguid.buffer)
  for (let word = 0; word < 4; word++)
    view.setUint32(word * 4, hash(`${serialNumber}/${nsid}/${word}`))
  const eui64 = nguid.slice(0, 8)
  eui64[0] = ((eui64[0] ?? 0) & ~1) | LOCAL
  const uuid = nguid.slice()
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | (UUID_VERSION << 4)
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80
  return { eui64, nguid, uuid }
}

/** FNV-1a, of 32 bits, mixed once more. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  return (value ^ (value >>> 13)) >>> 0
}
