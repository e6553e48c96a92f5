import { defineApp } from '../vite.app.ts'
import { merchantMock } from './dev/mock.ts'

export default defineApp('merchant', process.env['MOCK'] === '1' ? [merchantMock()] : [])
