// Draw the coin mark as the PWA's icons into wallet/public: the circle and the square in one line weight.
// The PNGs are computed and encoded here, so that no image program is needed.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32, deflateSync } from 'node:zlib'

const out = fileURLToPath(new URL('../wallet/public/', import.meta.url))
const JADE = [11, 122, 107]
const WHITE = [255, 255, 255]
const LINE = 3 / 48

/** Is the point (0..1 from the middle, whole icon = 1) on the coin's line, when the coin's box takes `share` of the icon? */
function onCoin(x, y, share) {
  const [u, v] = [x / share, y / share]
  const ring = Math.abs(Math.hypot(u, v) - 21 / 48) <= LINE / 2
  const edge = Math.max(Math.abs(u), Math.abs(v))
  return ring || Math.abs(edge - 8 / 48) <= LINE / 2
}

/** Is the point inside the icon's plate? `round` 0 is a full square, else the corner's radius. */
function onPlate(x, y, round) {
  if (!round) return true
  const [dx, dy] = [Math.max(Math.abs(x) - (0.5 - round), 0), Math.max(Math.abs(y) - (0.5 - round), 0)]
  return Math.hypot(dx, dy) <= round
}

function png(size, share, round) {
  const fine = 4
  const rows = Buffer.alloc(size * (size * 4 + 1))
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      let [plate, line] = [0, 0]
      for (let s = 0; s < fine * fine; s += 1) {
        const x = (column + ((s % fine) + 0.5) / fine) / size - 0.5
        const y = (row + (Math.floor(s / fine) + 0.5) / fine) / size - 0.5
        if (!onPlate(x, y, round)) continue
        plate += 1
        if (onCoin(x, y, share)) line += 1
      }
      const at = row * (size * 4 + 1) + 1 + column * 4
      const mix = plate ? line / plate : 0
      for (let c = 0; c < 3; c += 1) rows[at + c] = Math.round(JADE[c] + (WHITE[c] - JADE[c]) * mix)
      rows[at + 3] = Math.round((255 * plate) / (fine * fine))
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(size, 0)
  head.writeUInt32BE(size, 4)
  head.set([8, 6, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const whole = Buffer.alloc(body.length + 8)
  whole.writeUInt32BE(data.length, 0)
  whole.set(body, 4)
  whole.writeUInt32BE(crc32(body) >>> 0, body.length + 4)
  return whole
}

mkdirSync(out, { recursive: true })
writeFileSync(`${out}icon-192.png`, png(192, 0.68, 0.22))
writeFileSync(`${out}icon-512.png`, png(512, 0.68, 0.22))
writeFileSync(`${out}icon-maskable-512.png`, png(512, 0.56, 0))
writeFileSync(`${out}apple-touch-icon.png`, png(180, 0.62, 0))
writeFileSync(
  `${out}icon.svg`,
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="10.5" fill="#0b7a6b"/>' +
    '<g fill="none" stroke="#fff" stroke-width="2"><circle cx="24" cy="24" r="14.3"/><rect x="18.5" y="18.5" width="11" height="11"/></g></svg>\n',
)
