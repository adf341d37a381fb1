// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

/** Highest namespace identifier that can be valid: NN of Identify Controller. */
export const NAMESPACES_MAX = 256
