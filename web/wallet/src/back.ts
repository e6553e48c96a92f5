/** Back to where the person came from, or to `otherwise` when this page was the first. */
import { useRouter } from 'vue-router'

export function useBack(otherwise: string): () => void {
  const router = useRouter()
  return () => {
    if (window.history.state?.back) router.back()
    else void router.replace(otherwise)
  }
}
