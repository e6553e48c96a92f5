import { defineApp } from '../vite.app.ts'
import { consoleMock } from './dev/mock.ts'

export default defineApp('console', process.env['MOCK'] === '1' ? [consoleMock()] : [])
