import '@shared/styles/index.css'
