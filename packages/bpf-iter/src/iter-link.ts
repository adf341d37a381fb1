// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { File, type FileOperations, type Kernel, KernelError, OpenFlags } from '@iolayers/kernel'
import { IterSession } from './iter-session.ts'
import type { IterProgram, IterTarget, TargetLinkInfo } from './iter-target.ts'

/** @see include/uapi/linux/bpf.h struct bpf_link_info */
export interface IterLinkInfo {
  readonly type: 'iter'
  readonly id: number
  readonly targetName: string
  /** What the target adds; empty for one that adds nothing. */
  readonly target: TargetLinkInfo
}

/** A program attached to a target. @see kernel/bpf/bpf_iter.c struct bpf_iter_link */
export interface IterLink<T> {
  /** Unlike for every link of the same `BpfIter`, from 1. */
  readonly id: number
  readonly targetName: string
  /**
   * Opens an iterator: a read-only file, which may be installed in a descriptor table. Reading gives bytes, 0 at the end, and throws EAGAIN when
   * the program asked for a retry, E2BIG for a record larger than the iterator's buffer. It has no seek. Any number may be open at once: each
   * has its position and its private state. Throws EBADF once the link is released.
   */
  open(): File
  /**
   * Iterators that are open already keep the program that they were opened with. Throws EPERM where `expected` is given and is not the
   * program of now, EBADF once the link is released.
   * @see kernel/bpf/bpf_iter.c bpf_iter_link_replace
   */
  replaceProgram(program: IterProgram<T>, expected?: IterProgram<T>): void
  showFdinfo(): string
  /** @see kernel/bpf/bpf_iter.c bpf_iter_link_fill_link_info */
  info(): IterLinkInfo
  /** Detaches the program. Iterators that are open stay usable. Idempotent. @see kernel/bpf/bpf_iter.c bpf_iter_link_release */
  release(): void
}

/** What the links of one service share. */
export interface LinkHost {
  readonly kernel: Kernel
  nextSessionId(): number
  opened(): void
  closed(): void
  released(): void
}

/** @see kernel/bpf/bpf_iter.c bpf_iter_link_attach */
export class Link<T, P, L, A> implements IterLink<T> {
  readonly id: number
  readonly #host: LinkHost
  readonly #target: IterTarget<T, P, L, A>
  readonly #aux: A
  #program: IterProgram<T>
  #released = false

  constructor(
    host: LinkHost,
    id: number,
    target: IterTarget<T, P, L, A>,
    program: IterProgram<T>,
    aux: A,
  ) {
    this.#host = host
    this.id = id
    this.#target = target
    this.#program = program
    this.#aux = aux
  }

  get targetName(): string {
    return this.#target.target
  }

  replaceProgram(program: IterProgram<T>, expected?: IterProgram<T>): void {
    this.#assertAttached()
    if (expected !== undefined && expected !== this.#program) {
      throw new KernelError('EPERM', `link ${this.id} has another program than the expected one`)
    }
    this.#program = program
  }

  showFdinfo(): string {
    return `link_type:\titer\nlink_id:\t${this.id}\n${this.#targetFdinfo()}`
  }

  info(): IterLinkInfo {
    const target = this.#target.fillLinkInfo?.(this.#aux) ?? {}
    return { type: 'iter', id: this.id, targetName: this.targetName, target }
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#host.released()
    this.#target.detachTarget?.(this.#aux)
  }

  /** @see kernel/bpf/bpf_iter.c bpf_iter_new_fd */
  open(): File {
    this.#assertAttached()
    const host = this.#host
    const target = this.#target
    const fdinfo = this.#targetFdinfo()
    const priv = target.seqInfo.initSeqPrivate(this.#aux)
    const session = new IterSession(host.kernel, target, this.#program, priv, host.nextSessionId())
    host.opened()
    const ops: FileOperations = {
      release: () => {
        host.closed()
        session.close()
      },
      *read(file, bytes, offset, length) {
        const taken = yield* session.read(bytes, offset, length)
        file.posBytes += taken
        return taken
      },
      showFdinfo: () => fdinfo,
    }
    return new File(host.kernel, ops, {
      name: 'bpf_iter',
      flags: OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC,
    })
  }

  /** @see kernel/bpf/bpf_iter.c bpf_iter_link_show_fdinfo */
  #targetFdinfo(): string {
    return `target_name:\t${this.targetName}\n${this.#target.showFdinfo?.(this.#aux) ?? ''}`
  }

  #assertAttached(): void {
    if (this.#released) throw new KernelError('EBADF', `link ${this.id} is released`)
  }
}
