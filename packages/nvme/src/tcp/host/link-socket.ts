// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import type { LinkError } from './link-error.ts'

/** Who hears of a connection. */
export interface LinkEvents {
  connected(): void
  /** The bytes are only there until it returns. */
  received(bytes: Uint8Array): void
  /** It never came to be, or is gone. Once. */
  disconnected(error: LinkError): void
}

/** How bytes leave. */
export interface LinkSocket {
  /** Hands bytes over, in order; `sent` is called when they are not looked at any more, also when the connection is gone. Does not throw. */
  send(parts: readonly Uint8Array[], sent?: () => void): void
  /** Sends what was handed over, and closes. Idempotent. */
  end(): void
  /** Closes at once: nothing that was handed over is looked at afterwards. Idempotent. */
  destroy(): void
}

/** Opens a connection to the one address that it is for. Does not throw. */
export type Dial = (events: LinkEvents) => LinkSocket
