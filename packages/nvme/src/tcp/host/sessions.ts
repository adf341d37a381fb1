// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

// The connections behind a remote controller, one association after the other: made when the controller is enabled, closed when it is disabled or one of them is lost.

import type { Op } from '@iolayers/kernel'
import { LinkError } from './link-error.ts'
import type { QueueLink } from './queue-link.ts'
import {
  openQueue,
  openSession,
  type Session,
  type SessionComponents,
  type SessionInit,
  shutDown,
} from './session.ts'

/** Who is told what became of them. All of it atomic. */
export interface SessionsHome {
  /** The controller can be made ready. */
  connected(session: Session): void
  /** What was asked for did not work; `Sessions.failure` says why. */
  failed(): void
  shutDown(): void
  /** A connection of the session is gone, and the others are of no use. */
  lost(error: LinkError): void
}

export class Sessions {
  current: Session | null
  /** Why the last one is gone, or never came to be. */
  failure: LinkError | null
  readonly #components: SessionComponents
  readonly #init: SessionInit
  readonly #home: SessionsHome
  /** Connections that are being made: closed with the rest. */
  readonly #opening: Set<QueueLink>
  /** What was begun for a session that is over is forgotten. */
  #generation: number
  #isConnecting: boolean
  #isShuttingDown: boolean

  /** `first`: opened before anybody enables the controller. */
  constructor(
    components: SessionComponents,
    init: SessionInit,
    home: SessionsHome,
    first: Session,
  ) {
    this.current = first
    this.failure = null
    this.#opening = new Set()
    this.#components = { ...components, opened: (link) => this.#opening.add(link) }
    this.#init = init
    this.#home = home
    this.#generation = 0
    this.#isConnecting = false
    this.#isShuttingDown = false
  }

  /** Of the first session, which was opened by somebody else; of the others it is known here. */
  lost(error: LinkError): void {
    if (this.current === null) return
    this.failure = error
    this.#home.lost(error)
  }

  connect(): void {
    if (this.#isConnecting) return
    this.#isConnecting = true
    this.#spawn('connect', this.#connect(this.#generation))
  }

  /** A connection that is being made is given up. */
  abandon(): void {
    if (!this.#isConnecting) return
    for (const link of this.#opening) link.abort('nobody waits for it any more')
  }

  /** Connects an I/O queue. Null: it could not be, and `failure` says why; false: nobody waits for it any more. */
  *connectQueue(qid: number, entries: number): Op<QueueLink | null | false> {
    const generation = this.#generation
    const session = this.current
    if (session === null) return false
    try {
      const lost = this.#lostOf(generation)
      const link = yield* openQueue(this.#components, this.#init, session, { qid, entries }, lost)
      if (generation === this.#generation) return link
      link.close()
      return false
    } catch (error) {
      if (!(error instanceof LinkError)) throw error
      if (generation !== this.#generation) return false
      this.failure = error
      return null
    }
  }

  shutDown(): void {
    const session = this.current
    if (this.#isShuttingDown) return
    if (session === null) {
      this.#home.failed()
      return
    }
    this.#isShuttingDown = true
    this.#spawn('shutdown', this.#shutDown(session, this.#generation))
  }

  /** The session is over, and what was begun for it. Its connections are the caller's to close, but for those that are being made. */
  forget(): void {
    this.#generation++
    this.current = null
    this.#isConnecting = false
    this.#isShuttingDown = false
    for (const link of this.#opening) link.close()
    this.#opening.clear()
  }

  *#connect(generation: number): Op<void> {
    try {
      const session = yield* openSession(this.#components, this.#init, this.#lostOf(generation))
      if (generation !== this.#generation) {
        session.link.close()
        return
      }
      this.#isConnecting = false
      this.current = session
      this.failure = null
      this.#home.connected(session)
    } catch (error) {
      this.#fail(error, generation)
    }
  }

  *#shutDown(session: Session, generation: number): Op<void> {
    try {
      yield* shutDown(this.#components.kernel.scheduler, session, this.#init)
      if (generation === this.#generation) this.#home.shutDown()
    } catch (error) {
      this.#fail(error, generation)
    }
  }

  #fail(error: unknown, generation: number): void {
    if (!(error instanceof LinkError)) throw error
    if (generation !== this.#generation) return
    this.#isConnecting = false
    this.failure = error
    this.#home.failed()
  }

  #lostOf(generation: number): (error: LinkError) => void {
    return (error) => {
      if (generation === this.#generation) this.lost(error)
    }
  }

  #spawn(what: string, op: Op<void>): void {
    this.#components.kernel.scheduler.spawn(`nvme/tcp ${what}`, op)
  }
}
