/** Whether an alert came that this device has not shown yet. */
import { ref } from 'vue'
import { me } from '../session.ts'
import { getAlerts } from './api.ts'

export const unread = ref(false)
const place = (): string => `tongbao.alerts-seen.${me.value?.customer_id ?? ''}`

/** The newest that was shown here; ids grow with time. */
export const lastSeen = (): string => localStorage.getItem(place()) ?? ''
export function seen(newest: string): void {
  if (newest > lastSeen()) localStorage.setItem(place(), newest)
  unread.value = false
}
export async function learnUnread(): Promise<void> {
  try {
    const [newest] = (await getAlerts(null, undefined, 1)).items
    unread.value = newest !== undefined && newest.alert_id > lastSeen()
  } catch {
    unread.value = false
  }
}
