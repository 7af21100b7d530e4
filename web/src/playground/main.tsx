import {
  createDOMRenderer,
  FluentProvider,
  MessageBar,
  MessageBarBody,
  RendererProvider,
  Spinner,
} from '@fluentui/react-components';
import { type ReactNode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App';
import { useTheme } from './look';
import { nonce } from './nonce';
import { loadWebChat, type WebChat } from './webchat';

const renderer = createDOMRenderer(document, { styleElementAttributes: { nonce } });

function Page() {
  const [webchat, setWebchat] = useState<WebChat>();
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    loadWebChat().then(setWebchat, (error: Error) => setProblem(error.message));
  }, []);

  if (problem) return <Failure>Web Chat is missing: {problem}. Reload the page to try again.</Failure>;
  if (!webchat) return <Spinner label="Loading Web Chat…" />;
  return <App webchat={webchat} />;
}

function Failure({ children }: { children: ReactNode }) {
  return (
    <MessageBar intent="error">
      <MessageBarBody>{children}</MessageBarBody>
    </MessageBar>
  );
}

function Themed({ children }: { children: ReactNode }) {
  return <FluentProvider theme={useTheme()}>{children}</FluentProvider>;
}

createRoot(document.querySelector('#root')!).render(
  <RendererProvider renderer={renderer} targetDocument={document}>
    <Themed>
      <Page />
    </Themed>
  </RendererProvider>,
);
