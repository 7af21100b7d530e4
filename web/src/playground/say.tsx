import { Toast, Toaster, ToastTitle, useId, useToastController } from '@fluentui/react-components';

/** Short messages in the corner of the page: the element that shows them, and the function that says one. */
export function useSay() {
  const id = useId('toaster');
  const { dispatchToast } = useToastController(id);
  const say = (text: string, intent: 'success' | 'error') =>
    dispatchToast(
      <Toast>
        <ToastTitle>{text}</ToastTitle>
      </Toast>,
      { intent },
    );
  return { toaster: <Toaster toasterId={id} position="bottom-end" />, say };
}
