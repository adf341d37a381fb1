// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import {
  AddressFamily,
  CNTLID_ANY,
  DISCOVERY_ENTRY_BYTES,
  DISCOVERY_HEADER_BYTES,
  DISCOVERY_NQN,
  DiscoveryLogEntryLayout,
  DiscoveryLogHeaderLayout,
  encode,
  SubsystemType,
  TransportType,
} from '../../spec/index.ts'
import type { Subsystem } from './target-types.ts'

/** What a host of the admin queue of a subsystem may have at once. @see drivers/nvme/target/discovery.c nvmet_format_discovery_entry */
const ADMIN_QUEUE_ENTRIES = 32
const PORT_ID = 1
const TSAS_BYTES = 256

/** Where a host came to: there it finds the subsystems, too. */
export interface ListenAddress {
  readonly address: string
  readonly port: number
}

/** The subsystem that tells of the others. */
export const DISCOVERY_SUBSYSTEM: Subsystem = { nqn: DISCOVERY_NQN, namespaces: [] }

/** The log page for one host: the subsystems that let it in. @see NVMe Base 2.1, 5.1.12.3.1 */
export function discoveryLog(
  subsystems: readonly Subsystem[],
  hostNqn: string,
  { address, port }: ListenAddress,
  generation: number,
): Uint8Array {
  const open = subsystems.filter(({ allowHosts }) => allowHosts?.includes(hostNqn) ?? true)
  const page = new Uint8Array(DISCOVERY_HEADER_BYTES + open.length * DISCOVERY_ENTRY_BYTES)
  const header = { GENCTR: BigInt(generation), NUMREC: BigInt(open.length), RECFMT: 0 }
  page.set(encode(DiscoveryLogHeaderLayout, header))
  open.forEach(({ nqn }, i) => {
    const entry = encode(DiscoveryLogEntryLayout, {
      TRTYPE: TransportType.TCP,
      ADRFAM: address.includes(':') ? AddressFamily.IPV6 : AddressFamily.IPV4,
      SUBTYPE: SubsystemType.NVM,
      TREQ: 0,
      PORTID: PORT_ID,
      CNTLID: CNTLID_ANY,
      ASQSZ: ADMIN_QUEUE_ENTRIES,
      EFLAGS: 0,
      TRSVCID: String(port),
      SUBNQN: nqn,
      TRADDR: address,
      TSAS: new Uint8Array(TSAS_BYTES),
    })
    page.set(entry, DISCOVERY_HEADER_BYTES + i * DISCOVERY_ENTRY_BYTES)
  })
  return page
}
