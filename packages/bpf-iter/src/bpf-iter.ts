// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  File,
  type FileOperations,
  type Kernel,
  KernelError,
  type Op,
  OpenFlags,
} from '@iolayers/kernel'
import { IterSession } from './iter-session.ts'
import type { IterProgram, IterTarget } from './iter-target.ts'

/** A program attached to a target. @see kernel/bpf/bpf_iter.c struct bpf_iter_link */
export interface IterLink<T> {
  readonly targetName: string
  /**
   * Opens an iterator: a read-only file, which may be installed in a descriptor table. Reading gives bytes, 0 at the end, and throws EAGAIN when
   * the program asked for a retry, E2BIG for a record larger than the iterator's buffer. It has no seek.
   */
  open(): File
  /** Iterators that are open already keep the program that they were opened with. */
  replaceProgram(program: IterProgram<T>): void
  showFdinfo(): string
}

export interface RegisteredTarget<T> {
  readonly name: string
  /** Throws ENOENT once the target is unregistered. */
  attach(program: IterProgram<T>): IterLink<T>
  /** Links and open iterators stay usable. */
  unregister(): void
}

export interface BpfIter {
  /** Throws EEXIST for a name that is taken. */
  registerTarget<T, P>(target: IterTarget<T, P>): RegisteredTarget<T>
  readonly targetNames: readonly string[]
  /** Iterators open now. */
  readonly open: number
}

/** The targets of one stack, and the iterators opened on them. */
export function createBpfIter(components: { kernel: Kernel }): BpfIter {
  return new BpfIterService(components.kernel)
}

class BpfIterService implements BpfIter {
  readonly kernel: Kernel
  readonly #names = new Set<string>()
  #sessions = 0
  open = 0

  constructor(kernel: Kernel) {
    this.kernel = kernel
  }

  get targetNames(): readonly string[] {
    return [...this.#names]
  }

  nextSessionId(): number {
    this.#sessions += 1
    return this.#sessions
  }

  registerTarget<T, P>(target: IterTarget<T, P>): RegisteredTarget<T> {
    const name = target.target
    if (this.#names.has(name)) {
      throw new KernelError('EEXIST', `iterator target ${name} is already registered`)
    }
    this.#names.add(name)
    let registered = true
    return {
      name,
      attach: (program) => {
        if (registered) return new Link(this, target, program)
        throw new KernelError('ENOENT', `iterator target ${name} is not registered`)
      },
      unregister: () => {
        if (!registered) return
        registered = false
        this.#names.delete(name)
      },
    }
  }
}

class Link<T, P> implements IterLink<T> {
  readonly #service: BpfIterService
  readonly #target: IterTarget<T, P>
  #program: IterProgram<T>

  constructor(service: BpfIterService, target: IterTarget<T, P>, program: IterProgram<T>) {
    this.#service = service
    this.#target = target
    this.#program = program
  }

  get targetName(): string {
    return this.#target.target
  }

  replaceProgram(program: IterProgram<T>): void {
    this.#program = program
  }

  showFdinfo(): string {
    return `target_name:\t${this.#target.target}\n${this.#target.showFdinfo()}`
  }

  open(): File {
    const service = this.#service
    const session = new IterSession(
      service.kernel,
      this.#target,
      this.#program,
      service.nextSessionId(),
    )
    service.open += 1
    const ops: FileOperations = {
      release: () => {
        service.open -= 1
        session.close()
      },
      read: (_file: File, target: Uint8Array, offset: number, length: number): Op<number> =>
        session.read(target, offset, length),
      showFdinfo: () => this.showFdinfo(),
    }
    return new File(service.kernel, ops, {
      name: 'bpf_iter',
      flags: OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC,
    })
  }
}
