// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/**
 * What stands for an argument: integers for numbers and %c, text for %s, the bytes of an address for %pI4 and %pI6.
 * @see kernel/bpf/helpers.c bpf_bprintf_prepare
 */
export type FormatArg = number | bigint | string | Uint8Array
