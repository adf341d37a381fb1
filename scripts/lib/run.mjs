// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The iolayers authors

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root, rootManifest } from './workspace.mjs'

/** The environment with the workspace's commands on the PATH. */
export function toolEnv(extra = {}) {
  const bin = join(root, 'node_modules/.bin')
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, ...extra }
}

/** Where the user typed the command: pnpm runs scripts in the folder of package.json. */
export function callerDir() {
  return process.env.INIT_CWD ?? process.cwd()
}

function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, command)))
}

/** A pnpm command line: pnpm puts itself on the PATH of its scripts; elsewhere it is the version that package.json pins. */
export function pnpmCommand(args) {
  if (onPath('pnpm')) return ['pnpm', ...args]
  return ['npx', '--yes', rootManifest().packageManager, ...args]
}

/** A turbo command line; turbo itself looks for pnpm on the PATH. */
export function turboCommand(args) {
  return onPath('pnpm') ? ['turbo', ...args] : pnpmCommand(['exec', 'turbo', ...args])
}

/** Runs a command to its end and gives its exit code and output; a command that fails, or is not there, does not throw. */
export function run(command, args, { cwd = root, env = toolEnv(), echo = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      if (echo) process.stdout.write(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
      if (echo) process.stderr.write(text)
    })
    child.on('error', (error) =>
      resolve({ code: 127, stdout, stderr: `${stderr}${error.message}\n` }),
    )
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  })
}
