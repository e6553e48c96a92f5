import js from '@eslint/js'
import globals from 'globals'
import vue from 'eslint-plugin-vue'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist/', '**/dev-dist/', 'shared/src/api/schema.d.ts'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...vue.configs['flat/recommended'],
  {
    files: ['**/*.{ts,vue,mjs,js}'],
    languageOptions: { globals: { ...globals.browser, ...globals.node }, parserOptions: { parser: ts.parser } },
    rules: {
      'vue/multi-word-component-names': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/no-v-html': 'error',
      'vue/require-default-prop': 'off',
      'vue/attributes-order': 'off',
      'no-undef': 'off',
      // Money is a decimal string or a bigint: floats have no place near it.
      'no-restricted-globals': ['error', { name: 'parseFloat', message: 'Amounts are decimal strings; use shared/src/money.ts.' }],
      'no-restricted-syntax': ['error', { selector: "CallExpression[callee.name='eval']", message: 'The Content-Security-Policy forbids it.' }],
    },
  },
)
