// What was said in a chat or a channel of Teams, and the boxes in which one says more. A channel has posts, each with its replies.
import { Avatar, Button, Link, makeStyles, mergeClasses, Text, Textarea, tokens } from '@fluentui/react-components';
import { MentionRegular, SendRegular } from '@fluentui/react-icons';
import { useEffect, useRef, useState } from 'react';

import { usePage } from './page';
import { type Button as CardButton, cardOf, does, partsOf, type Person, type Post, type Spot, type Tenant, threadsOf, usePosts } from './teams';

const useStyles = makeStyles({
  posts: {
    flexGrow: 1,
    minHeight: 0,
    overflowY: 'auto',
    display: 'flex',
    flexDirection: 'column',
    gap: tokens.spacingVerticalM,
    padding: tokens.spacingHorizontalL,
  },
  empty: { margin: 'auto', textAlign: 'center', color: tokens.colorNeutralForeground3 },
  thread: {
    display: 'flex',
    flexDirection: 'column',
    flexShrink: 0,
    gap: tokens.spacingVerticalS,
    padding: tokens.spacingHorizontalM,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusLarge,
  },
  reply: { marginLeft: tokens.spacingHorizontalXXL },
  post: { display: 'flex', gap: tokens.spacingHorizontalS, maxWidth: '85%' },
  mine: { alignSelf: 'flex-end', flexDirection: 'row-reverse' },
  bubble: {
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalM}`,
    borderRadius: tokens.borderRadiusLarge,
    backgroundColor: tokens.colorNeutralBackground3,
    overflowWrap: 'anywhere',
    minWidth: 0,
  },
  own: { backgroundColor: tokens.colorBrandBackground2, color: tokens.colorNeutralForeground1 },
  by: { display: 'flex', gap: tokens.spacingHorizontalS, color: tokens.colorNeutralForeground2 },
  text: { margin: 0, whiteSpace: 'pre-wrap' },
  mention: { color: tokens.colorBrandForeground2, fontWeight: tokens.fontWeightSemibold },
  card: {
    marginTop: tokens.spacingVerticalXS,
    padding: tokens.spacingHorizontalM,
    backgroundColor: tokens.colorNeutralBackground1,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusMedium,
  },
  buttons: { display: 'flex', flexWrap: 'wrap', gap: tokens.spacingHorizontalS, marginTop: tokens.spacingVerticalS },
  box: {
    display: 'flex',
    alignItems: 'flex-end',
    gap: tokens.spacingHorizontalXS,
    padding: `${tokens.spacingVerticalS} ${tokens.spacingHorizontalL}`,
  },
  small: { padding: 0 },
  input: { flexGrow: 1 },
});

type Props = { tenant: Tenant; person: Person; spot: Spot };

export function TeamsConversation({ tenant, person, spot }: Props) {
  const styles = useStyles();
  const { act } = usePage();
  const posts = usePosts(spot.id, tenant.version);
  const [answering, setAnswering] = useState('');
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => end.current?.scrollIntoView({ block: 'nearest' }), [posts.length]);

  const say = (where: string) => (text: string) => act(() => does({ do: 'say', who: person.object_id, where, text }));
  const show = (post: Post) => <Message key={post.id} post={post} mine={post.from === person.object_id} onClick={say(post.conversation)} />;
  const silent = spot.kind === 'personal' && !spot.installed;
  return (
    <>
      <div className={styles.posts} role="log" aria-label={`Messages of ${spot.title}`} tabIndex={0}>
        {posts.length === 0 && (
          <Text className={styles.empty}>
            {silent
              ? 'The app is not installed for you. The bot learns of you when it is, and can write to you from then on.'
              : spot.kind === 'personal'
                ? 'Nothing was said yet.'
                : `Nothing was said yet. The bot is told only what mentions it.`}
          </Text>
        )}
        {spot.kind !== 'channel' && posts.map(show)}
        {spot.kind === 'channel' &&
          threadsOf(posts).map(([thread, [first, ...replies]]) => (
            <article key={thread} className={styles.thread} aria-label={`Thread of ${first!.name}`}>
              {show(first!)}
              {replies.map((post) => (
                <div key={post.id} className={styles.reply}>
                  {show(post)}
                </div>
              ))}
              {answering === thread ? (
                <Box small label="Reply" bot={tenant.bot.name} onSay={say(thread)} />
              ) : (
                <Link as="button" onClick={() => setAnswering(thread)}>
                  Reply
                </Link>
              )}
            </article>
          ))}
        <div ref={end} />
      </div>
      {!silent && (
        <Box label={spot.kind === 'channel' ? 'New post' : 'Type a message'} bot={spot.kind === 'personal' ? '' : tenant.bot.name} onSay={say(spot.id)} />
      )}
    </>
  );
}

function Message({ post, mine, onClick }: { post: Post; mine: boolean; onClick(text: string): void }) {
  const styles = useStyles();
  const { text = '', attachments = [], suggestedActions } = post.activity;
  const time = new Date(post.at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return (
    <div className={mergeClasses(styles.post, mine && styles.mine)} data-post={post.id}>
      {!mine && <Avatar size={28} name={post.name} color={post.bot ? 'brand' : 'colorful'} shape={post.bot ? 'square' : 'circular'} aria-hidden />}
      <div className={mergeClasses(styles.bubble, mine && styles.own)}>
        <div className={styles.by}>
          <Text size={200} weight="semibold">
            {post.name}
          </Text>
          <Text size={200}>{time}</Text>
          {post.edited && <Text size={200}>edited</Text>}
        </div>
        {post.deleted ? (
          <Text italic>This message has been deleted.</Text>
        ) : (
          <>
            {text && (
              <Text as="p" block className={styles.text}>
                {partsOf(text).map((part, index) => (index % 2 === 1 ? <span key={index} className={styles.mention}>{part}</span> : part))}
              </Text>
            )}
            {attachments.map((attachment, index) => {
              const { lines, buttons } = cardOf(attachment);
              return (
                <div key={index} className={styles.card}>
                  {lines.map((line, index) => (
                    <Text key={index} block weight={index === 0 ? 'semibold' : 'regular'}>
                      {line}
                    </Text>
                  ))}
                  <Buttons buttons={buttons} onClick={onClick} />
                </div>
              );
            })}
            <Buttons buttons={suggestedActions?.actions ?? []} onClick={onClick} />
          </>
        )}
      </div>
    </div>
  );
}

/** Buttons that say their value. Those that carry anything else are shown, and do nothing. */
function Buttons({ buttons, onClick }: { buttons: CardButton[]; onClick(text: string): void }) {
  const styles = useStyles();
  if (buttons.length === 0) return null;
  return (
    <div className={styles.buttons}>
      {buttons.map(({ title, value }, index) => (
        <Button key={index} size="small" disabled={typeof value !== 'string'} onClick={() => onClick(String(value))}>
          {title ?? 'Button'}
        </Button>
      ))}
    </div>
  );
}

type BoxProps = { label: string; /** Whom the button mentions; empty for nobody. */ bot: string; small?: boolean; onSay(text: string): Promise<boolean> };

function Box({ label, bot, small, onSay }: BoxProps) {
  const styles = useStyles();
  const [text, setText] = useState('');
  const input = useRef<HTMLTextAreaElement>(null);
  const say = async () => {
    if (text.trim() === '') return;
    const said = text.replaceAll(`@${bot}`, () => (bot ? `<at>${bot}</at>` : '@'));
    setText(''); // at once, so that what is typed meanwhile stays
    if (!(await onSay(said.trim()))) setText((now) => now || text);
  };
  return (
    <form
      className={mergeClasses(styles.box, small && styles.small)}
      onSubmit={(event) => {
        event.preventDefault();
        void say();
      }}
    >
      <Textarea
        ref={input}
        className={styles.input}
        aria-label={label}
        placeholder={bot ? `${label}, with @${bot} for the bot` : label}
        rows={1}
        value={text}
        autoFocus={small}
        onChange={(_, { value }) => setText(value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          void say();
        }}
      />
      {bot && (
        <Button
          appearance="subtle"
          icon={<MentionRegular />}
          aria-label={`Mention ${bot}`}
          onClick={() => {
            setText(`@${bot} ${text}`);
            input.current?.focus();
          }}
        />
      )}
      <Button type="submit" appearance="subtle" icon={<SendRegular />} aria-label={`Send: ${label}`} disabled={text.trim() === ''} />
    </form>
  );
}
