import '@shared/styles/index.css'
import './desk.css'
import { createApp } from 'vue'
import App from './App.vue'
import { startEyes } from './eyes.ts'
import { startKeyboard } from './keyboard.ts'
import { router } from './router.ts'

createApp(App).use(router).mount('#app')
startKeyboard()
startEyes()
