/** What a payment at hand is to be drawn on: the default, until the payer chooses. */
import { useLoad, type PaymentSource } from '@shared'
import { computed, shallowRef, watch, type ComputedRef } from 'vue'
import { client } from '../api.ts'
import { chosenByDefault, planned, toggled, type Part } from './plan.ts'

export interface ChosenSources {
  /** All there are; empty while they are not known. */
  all: ComputedRef<PaymentSource[]>
  chosen: ComputedRef<PaymentSource[]>
  parts: ComputedRef<Part[]>
  /** What all that is chosen does not come to. */
  missing: ComputedRef<string | undefined>
  hasCard: ComputedRef<boolean>
  /** What goes into the body of a payment: nothing where the balance alone pays, or where the sources are not known. */
  funding: () => { funding?: Part[] }
  toggle: (one: PaymentSource) => void
  /** The card that was drawn on said no: what it was to pay is left to the next one, if there is one. */
  avoidCard: () => void
  reload: () => Promise<void>
}

const getSources = (merchantId: string, signal: AbortSignal) => client.get<{ currency: string; sources: PaymentSource[] }>('/sources', { signal, query: { merchant_id: merchantId } })

export function useSources(merchantId: () => string | undefined, amount: () => string | undefined, currency: () => string): ChosenSources {
  const own = shallowRef<PaymentSource[]>()
  const found = useLoad(async (signal) => (merchantId() ? await getSources(merchantId() ?? '', signal) : undefined), { lazy: true })
  watch(merchantId, () => {
    own.value = undefined
    void found.reload()
  }, { immediate: true })
  watch(amount, () => (own.value = undefined))
  const all = computed(() => (found.data.value?.currency === currency() ? found.data.value.sources : []))
  const chosen = computed(() => own.value ?? (amount() ? chosenByDefault(all.value, amount() ?? '', currency()) : []))
  const plan = computed(() => (amount() && all.value.length ? planned(chosen.value, amount() ?? '', currency()) : { parts: [], missing: undefined }))
  return {
    all,
    chosen,
    parts: computed(() => plan.value.parts),
    missing: computed(() => plan.value.missing),
    hasCard: computed(() => all.value.some((one) => one.source === 'card')),
    funding: () => {
      const { parts, missing } = plan.value
      return missing || !parts.length || parts.every((part) => part.source === 'balance') ? {} : { funding: parts }
    },
    toggle: (one) => (own.value = toggled(chosen.value, one)),
    avoidCard: () => {
      const cards = all.value.filter((one) => one.source === 'card')
      const next = cards[cards.findIndex((one) => chosen.value.includes(one)) + 1]
      const others = chosen.value.filter((one) => one.source !== 'card')
      own.value = next ? [...others, next] : chosenByDefault(all.value.filter((one) => one.source !== 'card'), amount() ?? '', currency())
    },
    reload: found.reload,
  }
}
