// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** What a store did not do. */
export class ComplianceError extends Error {
  override readonly name = 'ComplianceError'
}

export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ComplianceError(message)
}

export function checkEqual(found: number, expected: number, what: string): void {
  check(found === expected, `${what} is ${found}, not ${expected}`)
}

/** Names the first byte that differs. */
export function checkBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  checkEqual(found.length, expected.length, `the length of ${what}`)
  const at = found.findIndex((byte, i) => byte !== expected[i])
  check(at < 0, `byte ${at} of ${what} is ${found[at]}, not ${expected[at]}`)
}
