// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What a peer sent can be no PDU, or not here: the connection has to be terminated. */
export class PduError extends Error {
  override readonly name = 'PduError'
  /** TcpFatalError. */
  readonly fatalError: number
  /** FEI: which byte of the header is wrong, the digest that was found, or 0. */
  readonly information: number
  /** The header, as far as it came: for the request to terminate. */
  readonly header: Uint8Array

  constructor(message: string, fatalError: number, information: number, header: Uint8Array) {
    super(message)
    this.fatalError = fatalError
    this.information = information
    this.header = header
  }
}

/** What is wrong is at a byte of this header. */
export function fatal(
  text: string,
  fatalError: number,
  at: number,
  { buffer, byteOffset, byteLength }: DataView,
): PduError {
  const bytes = new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength))
  return new PduError(text, fatalError, at, bytes)
}
