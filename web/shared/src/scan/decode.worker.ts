/** Looks for a QR code in one frame, away from the main thread. In: {id, width, height, data}; out: {id, text | null}. */
import jsQR from 'jsqr'

interface Frame {
  id: number
  width: number
  height: number
  data: Uint8ClampedArray
}

self.onmessage = (event: MessageEvent<Frame>): void => {
  const { id, width, height, data } = event.data
  const found = jsQR(data, width, height, { inversionAttempts: 'attemptBoth' })
  self.postMessage({ id, text: found?.data ? found.data : null })
}
