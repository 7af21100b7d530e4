// What there is to look at before anything was written.

const notice = {
  what: 'The invoice needs your approval',
  text: 'It is above the limit of your team.',
  item: { title: 'INV-2041', url: 'https://erp.example.com/invoices/2041' },
  actor: { name: 'Ann Example', url: 'https://people.example.com/ann' },
  when: '2026-03-04T16:30:00Z',
  severity: 'warning',
  facts: [
    { title: 'Amount', value: '€ 12,400.00' },
    { title: 'Supplier', value: 'Contoso Office Supplies GmbH' },
    { title: 'Due', value: '31 March 2026' },
  ],
  actions: [
    { do: 'do', name: 'approve', title: 'Approve', value: { invoice: 2041 } },
    { do: 'open', title: 'Open', url: 'https://erp.example.com/invoices/2041' },
    { do: 'snooze', for: '2h' },
  ],
};

const draft = {
  default_language: 'en',
  parameters: [{ name: 'deal', type: 'object', required: true, example: { name: 'Contoso', amount: 12400 } }],
  languages: {
    en: { notice: { what: '${data.deal.name} was won', severity: 'good', facts: [{ title: 'Amount', value: '€ ${number(data.deal.amount, 2)}' }] } },
    de: { markdown: '**${data.deal.name}** ist gewonnen: € ${number(data.deal.amount, 2)}' },
  },
};

const card = {
  type: 'AdaptiveCard',
  version: '1.5',
  body: [
    { type: 'TextBlock', text: 'The build is **done**', size: 'Medium', weight: 'Bolder', wrap: true },
    { type: 'FactSet', facts: [{ title: 'Tests', value: '1,204' }, { title: 'Failed', value: '0' }] },
  ],
  actions: [{ type: 'Action.OpenUrl', title: 'Open', url: 'https://ci.example.com/7' }],
};

const json = (value: unknown) => JSON.stringify(value, null, 2);

export const samples: Record<string, string> = {
  notice: json(notice),
  draft: json(draft),
  card: json(card),
  markdown: 'Your build is **done**: [see it](https://ci.example.com/7).',
  text: 'Your build is done.',
  template: '',
};

export const labels: Record<string, string> = {
  notice: 'The notice, as JSON',
  draft: 'The template, as JSON',
  card: 'The card, as JSON',
  markdown: 'The text',
  text: 'The text',
  template: '',
};
