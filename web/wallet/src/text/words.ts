/** Words of paying by text. */
import { defineMessages, translator } from '@shared'

const words = defineMessages(
  {
    title: '短信与拨号付款',
    lead: '开通后，用任何手机拨 {code} 即可转账、付款、查余额，无需上网，并以支付密码确认。',
    phone: '手机号',
    phoneHint: '我们会向它发送验证码',
    send: '发送验证码',
    language: '屏幕语言',
    switchOn: '开通',
    failed: '没有开通',
    done: '已开通，可以拨 {code}',
    what: '开通短信与拨号付款：{phone}',
    since: '{when} 开通',
    rests: 'SIM 卡刚更换，暂停至 {when}',
    off: '关闭',
    offDone: '已关闭',
    caps: '在“免登录付款”中可设限额。',
    swap: '如果手机号被他人补卡，三天内不能付款，您可在此关闭。不是您本人操作？',
    report: '立即报告',
  },
  {
    title: 'Pay by text',
    lead: 'Once it is on, dial {code} on any phone to send, pay and see your balance, without the internet, confirmed with your PIN.',
    phone: 'Phone number',
    phoneHint: 'We send a code to it',
    send: 'Send a code',
    language: 'Language of the screens',
    switchOn: 'Switch on',
    failed: 'It was not switched on',
    done: 'It is on: dial {code}',
    what: 'Pay by text from {phone}',
    since: 'On since {when}',
    rests: 'Its SIM is new: rests until {when}',
    off: 'Switch off',
    offDone: 'It is off',
    caps: 'Caps are set under “Pays without a log-in”.',
    swap: 'If somebody has your number put on another SIM, nothing is paid with it for three days: switch it off here. It wasn’t you?',
    report: 'Report it now',
  },
)
export const t = translator(words)
