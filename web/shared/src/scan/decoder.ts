/** A QR decoder in a worker: `decode(image)` answers the text, or null when the frame holds no code. */
export interface Decoder {
  decode: (image: ImageData) => Promise<string | null>
  close: () => void
}

export function createDecoder(): Decoder {
  const worker = new Worker(new URL('./decode.worker.ts', import.meta.url), { type: 'module' })
  const waiting = new Map<number, (text: string | null) => void>()
  let last = 0
  worker.onmessage = (event: MessageEvent<{ id: number; text: string | null }>) => {
    waiting.get(event.data.id)?.(event.data.text)
    waiting.delete(event.data.id)
  }
  worker.onerror = () => {
    waiting.forEach((answer) => answer(null))
    waiting.clear()
  }
  return {
    decode: (image) =>
      new Promise((answer) => {
        last += 1
        waiting.set(last, answer)
        worker.postMessage({ id: last, width: image.width, height: image.height, data: image.data }, [image.data.buffer])
      }),
    close: () => worker.terminate(),
  }
}

/** Draw `source` so that its longer side is at most `longest`, and read the pixels. */
export function pixelsOf(source: CanvasImageSource, width: number, height: number, longest: number): ImageData | null {
  const scale = Math.min(1, longest / Math.max(width, height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) return null
  // Pictures with a transparent ground would read black on black.
  context.fillStyle = '#ffffff'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(source, 0, 0, canvas.width, canvas.height)
  return context.getImageData(0, 0, canvas.width, canvas.height)
}

/** Find a code in a picture file, at a few sizes: small codes want detail, large blurred ones want less. */
export async function decodeFile(decoder: Decoder, file: Blob): Promise<string | null> {
  const url = URL.createObjectURL(file)
  try {
    const image = new Image()
    image.src = url
    await image.decode()
    // An SVG without a size of its own reports none.
    const [width, height] = [image.naturalWidth || 1000, image.naturalHeight || 1000]
    for (const longest of [1000, 600, 1800]) {
      const pixels = pixelsOf(image, width, height, longest)
      const text = pixels && (await decoder.decode(pixels))
      if (text) return text
    }
    return null
  } catch {
    return null
  } finally {
    URL.revokeObjectURL(url)
  }
}
