// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { KernelError } from '@iolayers/kernel'
import type { RemoteAddress } from '../remote/address.ts'
import type { FabricOptions } from '../remote/fabric-options.ts'
import { inspectRemote } from '../remote/inspect-remote.ts'
import { IN_PLACE, type SourceEnd, type TargetEnd } from './ends.ts'

/** Looks at the source. Errors: those of `inspectRemote`. */
export async function remoteSource(
  address: RemoteAddress,
  fabric: FabricOptions,
): Promise<SourceEnd> {
  const { sizeBytes } = await inspectRemote(address, fabric)
  return { kind: 'remote', name: address.text, sizeBytes, address }
}

/** A target that is written in place: what was there is lost block by block. Errors: those of `inspectRemote`; EINVAL for the source itself, EROFS, ENOSPC. */
export async function remoteTarget(
  address: RemoteAddress,
  source: SourceEnd,
  fabric: FabricOptions,
): Promise<TargetEnd> {
  const name = address.text
  if (source.kind === 'remote' && isSameNamespace(source.address, address)) {
    throw new KernelError('EINVAL', `SRC ${source.name} and DST ${name} are the same namespace`)
  }
  const { sizeBytes, isReadOnly } = await inspectRemote(address, fabric)
  if (isReadOnly) throw new KernelError('EROFS', `DST ${name} is write protected`)
  if (sizeBytes < source.sizeBytes) {
    const text = `DST ${name} holds ${sizeBytes} bytes, SRC ${source.name} has ${source.sizeBytes}`
    throw new KernelError('ENOSPC', text)
  }
  return { kind: 'remote', address, name, sizeBytes, ...IN_PLACE }
}

function isSameNamespace(a: RemoteAddress, b: RemoteAddress): boolean {
  const isSameSubsystem =
    a.host === b.host && a.port === b.port && a.subsystemNqn === b.subsystemNqn
  return isSameSubsystem && a.nid === b.nid
}
