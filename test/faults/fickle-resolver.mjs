// Loaded before everything else, by `NODE_OPTIONS=--import`: one name more, and the resolver does what a file says.
import dns from 'node:dns'
import { readFileSync } from 'node:fs'

const { RESOLVER_NAME: name = '', RESOLVER_MOOD: moodFile = '' } = process.env
/** The usual timeout of a resolver, for each of its servers. */
const HANGS_MS = 5000
const { lookup } = dns

/**
 * @param {string} host
 * @param {dns.LookupAllOptions} options
 * @param {(error: Error | null, found: string | dns.LookupAddress[], family: number) => void} callback
 */
function fickle(host, options, callback) {
  if (host !== name) return lookup(host, options, callback)
  const mood = readFileSync(moodFile, 'utf8')
  if (mood === 'well') return lookup('127.0.0.1', options, callback)
  const error = Object.assign(new Error(`getaddrinfo EAI_AGAIN ${name}`), { code: 'EAI_AGAIN' })
  setTimeout(() => callback(error, '', 0), mood === 'hangs' ? HANGS_MS : 0)
}

Object.assign(dns, { lookup: fickle })
