/**
 * HMAC-SHA-256 for pages without WebCrypto: browsers have it only in a secure context, and a till on plain http in a shop's own
 * network is none. Source: FIPS 180-4, RFC 2104.
 */
const ROUND = constants(64, 3)
const START = constants(8, 2)

/** The first 32 bits of the fractional parts of roots of the first primes. */
function constants(count: number, root: 2 | 3): Uint32Array {
  const found = new Uint32Array(count)
  for (let candidate = 2, filled = 0; filled < count; candidate += 1) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor += 1) prime &&= candidate % divisor !== 0
    if (!prime) continue
    found[filled] = fraction(BigInt(candidate), root)
    filled += 1
  }
  return found
}

/** 2^32 times the fractional part of a root, exactly: the whole root of the number times 2^(32·root), found by halving. */
function fraction(value: bigint, root: 2 | 3): number {
  const wanted = value << BigInt(32 * root)
  let low = 0n
  let high = 1n << 40n
  while (high - low > 1n) {
    const middle = (low + high) >> 1n
    if (middle ** BigInt(root) <= wanted) low = middle
    else high = middle
  }
  return Number(low & 0xffffffffn)
}

const turned = (word: number, by: number): number => (word >>> by) | (word << (32 - by))

export function sha256(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(((message.length + 8) >> 6 << 6) + 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(message.length / 0x20000000))
  view.setUint32(padded.length - 4, message.length << 3)
  const state = START.slice()
  const words = new Uint32Array(64)
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 64; i += 1) words[i] = i < 16 ? view.getUint32(at + 4 * i) : next(words, i)
    mix(state, words)
  }
  const digest = new DataView(new ArrayBuffer(32))
  state.forEach((word, i) => digest.setUint32(4 * i, word))
  return new Uint8Array(digest.buffer)
}

const word = (words: Uint32Array, at: number): number => words[at] ?? 0

function next(words: Uint32Array, i: number): number {
  const early = word(words, i - 15)
  const late = word(words, i - 2)
  const first = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3)
  const second = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10)
  return word(words, i - 16) + first + word(words, i - 7) + second
}

function mix(state: Uint32Array, words: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let i = 0; i < 64; i += 1) {
    const chosen = (e & f) ^ (~e & g)
    const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + chosen + word(ROUND, i) + word(words, i)) | 0
    const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0]
  }
  ;[a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i] = word(state, i) + value
  })
}

/** `key`: at most 64 bytes. */
export function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const inner = new Uint8Array(64 + message.length).fill(0x36, 0, 64)
  const outer = new Uint8Array(64 + 32).fill(0x5c, 0, 64)
  key.forEach((byte, i) => {
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  })
  inner.set(message, 64)
  outer.set(sha256(inner), 64)
  return sha256(outer)
}
