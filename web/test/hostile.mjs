// What somebody might choose as a name, a text or an address to have a page do something. Each is marked with where it was
// put, and calls `pwned` with that mark when it runs, or asks the canary for it.
import { once } from 'node:events';
import { createServer } from 'node:http';

/** A server elsewhere, which no page may ask for anything. */
export async function startCanary(t) {
  const visits = [];
  const server = createServer((request, response) => {
    visits.push(`${request.method} ${request.url}`);
    response.writeHead(200, { 'Content-Type': 'text/html', 'Access-Control-Allow-Origin': '*' }).end('<p>canary</p>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { origin: `http://127.0.0.1:${server.address().port}`, visits };
}

/** The shortest, for what may not be long, such as a name: what pages must show of it is this. */
export const brief = (mark) => `<svg/onload=pwned('${mark}')>`;

/** One of each kind. */
export function each(mark, canary) {
  const run = `pwned('${mark}')`;
  const page = `<script>opener?.${run};parent.${run}</script>`;
  return [
    brief(mark),
    `<script>${run}</script><script src="${canary}/${mark}/script"></script>`,
    `<img src=x onerror=${run}><video autoplay onloadstart=${run}><source onerror=${run}></video>`,
    `'"></textarea></title></style></noscript></script><script>alert('${mark}')</script><!--`,
    `<details open ontoggle=${run}><input autofocus onfocus=${run}><b onmouseover=${run} onclick=${run}>b</b></details>`,
    `<iframe srcdoc="${page.replaceAll('"', '&quot;')}"></iframe><object data="javascript:${run}"></object><embed src="javascript:${run}">`,
    `<svg><animate onbegin=${run} attributeName=x dur=1s /><a xlink:href="javascript:${run}"><text>x</text></a></svg>`,
    `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=${run}&gt;">`,
    `<base href="${canary}/"><meta http-equiv=refresh content="0;url=${canary}/${mark}/refresh"><link rel=stylesheet href="${canary}/${mark}/link">`,
    `<form action="javascript:${run}"><button formaction="${canary}/${mark}/form">go</button></form>`,
    `</style><style>@import "${canary}/${mark}/import"; * { background: url(${canary}/${mark}/css) }</style>`,
    `&lt;img src=x onerror=${run}&gt; &#60;script&#62;${run}&#60;/script&#62; &amp;lt;svg/onload=${run}&amp;gt;`,
    `{{constructor.constructor("${run}")()}} \${${run}} {${run}} <%= ${run} %> #{${run}} {{{${run}}}} [[${run}]]`,
    `javascript:${run}//`,
    `java\tscript:${run}`,
    `data:text/html,${page}`,
    `[${mark}](javascript:${run}) [${mark}](data:text/html,${encodeURIComponent(page)}) [${mark}](vbscript:${run}) <javascript:${run}>`,
    `![${mark}](${canary}/${mark}/picture) [![${mark}](javascript:${run})](javascript:${run}) [${mark}]: javascript:${run}`,
    `| a | b |\n| --- | --- |\n| ${brief(mark)} | [x](javascript:${run}) |\n\n\`\`\`html\n${brief(mark)}\n\`\`\`\n\n$$\\href{javascript:${run}}{x}$$`,
    JSON.stringify(card(mark, canary, [brief(mark)])),
    `\u202Egnp.exe\u202C \u2066${brief(mark)}\u2069 \u200B\uFEFF\u0001\u0008\u001B[31m \uFFFD\u2028\u2029<b\u0001onmouseover=${run}>`,
    `\uFF1Cscript\uFF1E${run}\uFF1C/script\uFF1E \u02BA\u2032 +ADw-script+AD4-${run}+ADw-/script+AD4-`,
  ];
}

/** All at once, for what may be long. */
export const long = (mark, canary) => each(mark, canary).join('\n');

/** An Adaptive Card that has them wherever a card has text, and addresses that are no place to go wherever it leads somewhere. */
export function card(mark, canary, texts) {
  const run = `pwned('${mark}')`;
  const bad = [`javascript:${run}`, ` java\nscript:${run}`, `data:text/html,<script>${run}</script>`, `vbscript:${run}`, `blob:${canary}/x`];
  const open = (url, n) => ({ type: 'Action.OpenUrl', title: `${mark} ${n} ${brief(mark)}`, tooltip: brief(mark), url });
  const select = open(bad[0], 'select');
  return {
    type: 'AdaptiveCard',
    version: '1.5',
    speak: brief(mark),
    lang: brief(mark),
    fallbackText: brief(mark),
    backgroundImage: { url: `${canary}/${mark}/background` },
    selectAction: select,
    body: [
      ...texts.map((text) => ({ type: 'TextBlock', text, wrap: true })),
      { type: 'RichTextBlock', inlines: [brief(mark), { type: 'TextRun', text: brief(mark), selectAction: select }] },
      { type: 'FactSet', facts: [{ title: brief(mark), value: `[x](javascript:${run})` }] },
      { type: 'Image', url: bad[2], altText: brief(mark), selectAction: select },
      { type: 'Image', url: `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="${run}"/>`, altText: brief(mark) },
      { type: 'ImageSet', images: [{ type: 'Image', url: bad[0] }] },
      { type: 'Media', altText: brief(mark), poster: `${canary}/${mark}/poster`, sources: [{ mimeType: 'video/mp4', url: bad[0] }] },
      { type: 'Input.Text', id: brief(mark), label: brief(mark), placeholder: brief(mark), value: brief(mark), regex: '(a+)+$' },
      { type: 'Input.ChoiceSet', id: 'choice', choices: [{ title: brief(mark), value: brief(mark) }], value: brief(mark) },
      { type: 'Table', columns: [{ width: 1 }], rows: [{ type: 'TableRow', cells: [{ type: 'TableCell', items: [{ type: 'TextBlock', text: brief(mark) }] }] }] },
      { type: 'ActionSet', actions: [open(bad[0], 'set')] },
      { type: brief(mark), fallback: { type: 'TextBlock', text: brief(mark) } },
    ],
    actions: bad.map(open),
  };
}

/** What is attached to messages: files of odd names at odd addresses, and the cards that Web Chat draws by itself. */
export function attachments(mark, canary) {
  const run = `pwned('${mark}')`;
  const bad = [`javascript:${run}`, `data:text/html,<script>${run}</script>`, `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="${run}"/>`];
  const buttons = ['openUrl', 'call', 'downloadFile', 'playAudio', 'playVideo', 'showImage', 'signin'].map((type) => ({
    type,
    title: `${mark} ${type} ${brief(mark)}`,
    value: bad[0],
  }));
  const hero = { title: brief(mark), subtitle: brief(mark), text: brief(mark), images: [{ url: bad[0], alt: brief(mark), tap: buttons[0] }], buttons, tap: buttons[0] };
  const kinds = ['image/png', 'image/svg+xml', 'text/html', 'video/mp4', 'audio/mpeg', 'application/octet-stream', `text/${brief(mark)}`];
  return [
    ...kinds.flatMap((contentType) =>
      [...bad, `${canary}/${mark}/attachment`].map((contentUrl) => ({ contentType, contentUrl, name: `${brief(mark)}.png`, thumbnailUrl: contentUrl })),
    ),
    ...['hero', 'thumbnail', 'signin', 'oauth'].map((kind) => ({ contentType: `application/vnd.microsoft.card.${kind}`, content: { ...hero, connectionName: 'x' } })),
    ...['animation', 'audio', 'video'].map((kind) => ({
      contentType: `application/vnd.microsoft.card.${kind}`,
      content: { title: brief(mark), text: brief(mark), autostart: true, image: { url: bad[0] }, media: [{ url: bad[0], profile: brief(mark) }] },
    })),
    {
      contentType: 'application/vnd.microsoft.card.receipt',
      content: { title: brief(mark), facts: [{ key: brief(mark), value: brief(mark) }], items: [{ title: brief(mark), image: { url: bad[0] } }], total: brief(mark), buttons },
    },
    { contentType: 'application/vnd.microsoft.card.adaptive', content: card(mark, canary, each(mark, canary)) },
  ];
}
