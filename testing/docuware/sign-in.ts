/** Opens an authorization URL and, when that shows the sign-in page, sends its form. @throws Error when neither leads back to the app */
export async function signIn (authorizationUrl: string, { username, password }: { readonly username: string, readonly password: string }): Promise<string> {
  const page = await fetch(authorizationUrl, { redirect: 'manual' })
  const answer = page.status === 200 ? await fetch(authorizationUrl, { method: 'POST', body: new URLSearchParams({ username, password, decision: 'allow' }), redirect: 'manual' }) : page
  if (page !== answer) await page.arrayBuffer()
  await answer.arrayBuffer()
  const location = answer.headers.get('location')
  if (location === null) throw new Error(`The sign-in was answered with status ${answer.status} and leads nowhere`)
  return location
}
