export { useAct, type Act } from '@shared'
