import { defineApp } from '../vite.app.ts'

export default defineApp('wallet')
